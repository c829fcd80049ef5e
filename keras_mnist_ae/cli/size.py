"""kae size: how many numbers a set of images needs."""

from typing import Any

import click

from ..reporting.sizes import LARGEST, REFUSED
from ..runs.settings import SETTINGS
from ..system.notes import say
from .completion import variant_names
from .options import as_json, echo_result
from .train import SHARED, GroupedOptions, option

SKIPPED = ("variant", "latent_dim", *REFUSED)


def settings(command: Any) -> Any:
    """The settings of `kae train` that a training with nested dropout takes."""
    for name, row in reversed(SETTINGS.items()):
        if name not in SKIPPED and not row.variational:
            decorate: Any = SHARED.get(name) or option(name, row)
            command = decorate(command)
    return command


@click.command(cls=GroupedOptions)
@click.argument("variant", required=False, shell_complete=variant_names)
@click.option(
    "--latent-dim",
    type=click.IntRange(2, 4096),
    default=LARGEST,
    show_default=True,
    help="The largest size of the code.",
)
@settings
@as_json
def size(variant: str | None, latent_dim: int, as_json: bool, **options: Any) -> None:
    """How many numbers do these images need? One training of VARIANT (conv unless named) gives the
    error of every size of the code, beside PCA, and where the curve bends.

    It takes what `kae train` takes, and about as long. The table and the picture lie in
    RUNS-DIR/size-VARIANT-DATASET.
    """
    from ..reporting.sizes import size

    given = {name: value for name, value in options.items() if value is not None}
    variant = variant or (None if "table" in given else "conv")
    dataset = given.pop("dataset", "mnist")
    what = variant or given["table"]
    say(f"kae: size: {what} on {dataset}, codes of up to {latent_dim} numbers")
    given = given if variant is not None else {**given, "variant": None}
    result = size(variant, dataset, latent_dim=latent_dim, **given)  # type: ignore[arg-type]
    echo_result(result, as_json)
