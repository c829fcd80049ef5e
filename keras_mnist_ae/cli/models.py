"""kae models: the variants and their tables."""

import dataclasses
from pathlib import Path

import click

from ..architecture.stack import Stack
from ..architecture.variant import Variant
from ..architecture.variants import VARIANTS, find
from .options import as_json, echo, echo_json, echo_table


@click.command()
@click.argument("name", required=False)
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check a table of your own, and print it.",
)
@click.option(
    "--toml", is_flag=True, help="Print it as `kae train --table` takes it: a start for one of your own."
)
@as_json
def models(name: str | None, check: Path | None, toml: bool, as_json: bool) -> None:
    """List the variants, or print the table of the one called NAME: each row with output shape and
    parameters.
    """
    if name is not None and check is not None:
        raise click.UsageError("give NAME or --check, not both")
    if name is None and check is None:
        if toml:
            raise click.UsageError("name the variant to print: kae models --toml NAME")
        chosen = list(VARIANTS.values())
        if as_json:
            echo_json({"variants": [summary(variant) for variant in chosen]})
        else:
            rows = [(v.name, str(v.latent), f"{v.parameters:,}", v.summary) for v in chosen]
            echo_table(("variant", "latent", "parameters", "summary"), rows)
        return
    from ..architecture.toml import read, to_toml

    variant = read(check) if check else find(str(name))
    if toml:
        click.echo(to_toml(variant), nl=False)
    elif as_json:
        echo_json(
            {
                **summary(variant),
                "encoder": table(variant.encoder),
                "decoder": table(variant.decoder),
                "note": variant.note,
            }
        )
    else:
        echo(str(variant))


def summary(variant: Variant) -> dict[str, object]:
    return {
        "name": variant.name,
        "summary": variant.summary,
        "image": list(variant.image),
        "latent": variant.latent,
        "switches": {name: list(shape) for name, shape in variant.switches.items()},
        "parameters": variant.parameters,
        "recipe": dataclasses.asdict(variant.recipe),
    }


def table(stack: Stack) -> list[dict[str, object]]:
    return [
        {
            "name": step.name,
            "row": str(step.layer),
            "output": list(step.output),
            "parameters": step.layer.parameters,
        }
        for step in stack
    ]
