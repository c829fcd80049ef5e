"""kae runs: all runs side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import as_json, echo, echo_json, echo_table, runs_dir

if TYPE_CHECKING:
    from ..runs.folder import Run

COMPARED = (  # of two or more runs: label, where it stands in their facts, format
    ("parameters", ("parameters",), "{:,}"),
    ("latent", ("latent",), "{}"),
    ("epochs done", ("epochs",), "{}"),
    ("seconds", ("seconds",), "{:.1f}"),
    ("train MSE", ("train_mse",), "{:.5f}"),
    ("test MSE", ("test_mse",), "{:.5f}"),
    ("PCA, same size", ("metrics", "pca_mse"), "{:.5f}"),
    ("PSNR, dB", ("metrics", "psnr"), "{:.2f}"),
    ("SSIM", ("metrics", "ssim"), "{:.4f}"),
    ("-ELBO, nats", ("metrics", "evidence", "negative_elbo"), "{:.2f}"),
    ("KL, nats", ("metrics", "evidence", "kl"), "{:.2f}"),
    ("5-NN on codes", ("metrics", "latent", "knn", "codes"), "{:.4f}"),
    ("dimensions in use", ("metrics", "latent", "participation_ratio"), "{:.1f}"),
)

HEADER = (
    *("run", "status", "variant", "latent", "backend", "dataset", "epochs"),
    *("train MSE", "test MSE", "seconds"),
)
OPTIONAL = ("seconds", "backend", "latent", "train MSE", "epochs", "status")


class DefaultsToList(click.Group):
    """A group whose command `list` is meant where none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultsToList)
def runs() -> None:
    """All runs side by side; removing, renaming and tagging them."""


@runs.command(
    "list",
    epilog="Also: kae runs rm RUN..., kae runs mv RUN NAME, kae runs tag RUN WORD...",
)
@click.argument("names", nargs=-1, metavar="[RUN]...")
@click.option("--compare", is_flag=True, help="Put the RUNs named side by side, in a table and a figure.")
@click.option("--dataset", help="Only runs on this dataset.")
@click.option("--variant", help="Only runs of this variant.")
@click.option(
    "--status", type=click.Choice(["finished", "unfinished", "running"]), help="Only runs like that."
)
@click.option("--tag", help="Only runs with this tag.")
@runs_dir
@as_json
def list_(
    names: tuple[str, ...], compare: bool, runs_dir: Path, as_json: bool, **filters: str | None
) -> None:
    """All runs, the best test MSE of each dataset first; with --compare those named, in detail."""
    from ..errors import CorruptFileError, UsageError
    from ..runs.listing import facts
    from ..runs.runs_dir import every, find

    if runs_dir.exists() and not runs_dir.is_dir():
        raise UsageError(f"{runs_dir} is no folder")
    names = tuple(dict.fromkeys(names))
    if compare != bool(names) or len(names) == 1:
        raise click.UsageError("name the runs to compare, two or more: kae runs --compare A B")
    if compare:
        compared([find(name, runs_dir) for name in names], runs_dir, as_json)
        return
    rows = []
    for run in every(runs_dir):
        try:
            rows.append(facts(run))
        except (CorruptFileError, UsageError, OSError) as error:
            echo(f"kae: left out: {error}", err=True)
    wanted = [row for row in rows if _matches(row, filters)]
    if as_json:
        echo_json({"runs": wanted})
    elif not rows:
        echo(f"no run in {runs_dir.resolve()} yet; train one: kae train", err=True)
    elif not wanted:
        echo(f"none of the {len(rows)} runs in {runs_dir.resolve()} is like that", err=True)
    else:
        by_dataset = sorted(wanted, key=lambda row: row["dataset"])
        echo_table(HEADER, [shown(row) for row in by_dataset], OPTIONAL)


def _matches(row: dict[str, Any], filters: dict[str, str | None]) -> bool:
    """Whether the facts of a run are those asked for; None asks for nothing."""
    return all(
        value is None or (value in row["tags"] if name == "tag" else row[name] == value)
        for name, value in filters.items()
    )


@runs.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@runs_dir
def rm(names: tuple[str, ...], yes: bool, runs_dir: Path) -> None:
    """Delete RUNs with all that is in their folders."""
    from ..runs.runs_dir import find, remove

    chosen = [find(name, runs_dir) for name in dict.fromkeys(names)]
    if not yes:
        click.confirm(f"delete {', '.join(str(run.path) for run in chosen)}?", abort=True, err=True)
    for run in chosen:
        remove(run)
        echo(f"removed    {run.path}")


@runs.command()
@click.argument("run")
@click.argument("name")
@runs_dir
def mv(run: str, name: str, runs_dir: Path) -> None:
    """Rename RUN to NAME."""
    from ..runs.manage import rename
    from ..runs.runs_dir import find

    echo(f"run        {rename(find(run, runs_dir), name).path}")


@runs.command()
@click.argument("run")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("--remove", is_flag=True, help="Take the WORDs away.")
@runs_dir
def tag(run: str, words: tuple[str, ...], remove: bool, runs_dir: Path) -> None:
    """Add WORDs to the tags of RUN."""
    from ..runs.manage import tag
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    echo(f"tags       {', '.join(tag(chosen, *words, remove=remove)) or 'none'}")


def compared(found: "list[Run]", runs_dir: Path, as_json: bool) -> None:
    """Finished runs in a column each: the settings in which they differ, their numbers, and one
    figure.
    """
    from ..analysis import plots
    from ..runs.listing import facts

    told = [{**facts(run), "settings": dict(settings(run))} for run in found]
    metrics = [run.metrics for run in found]  # refuses a run that was not finished
    curves: dict[str, Sequence[float]] = {
        run.name: [] if run.variant.variational else run.history["val_loss"] for run in found
    }  # nats are on another scale
    figure = plots.comparison(curves, [(of["test_mse"], _span(of)) for of in metrics])
    path = runs_dir / "compare.png"
    plots.save(figure, path)
    if as_json:
        echo_json({"runs": told, "figure": str(path)})
        return
    names = [
        name for name in told[0]["settings"] if len({str(row["settings"].get(name)) for row in told}) > 1
    ]
    rows = [(name, *(str(row["settings"].get(name, "-")) for row in told)) for name in names]
    numbers = [(label, *(_at(row, keys, form) for row in told)) for label, keys, form in COMPARED]
    rows += [
        row for row in numbers if any(run.variant.variational for run in found) or not row[0].endswith("nats")
    ]
    echo_table(("", *(row["run"] for row in told)), rows)
    if len({run.environment.get("dataset_sha256") for run in found}) > 1:
        echo("The runs are of different datasets: their errors do not compare.")
    if any("-" in row for row in rows):
        echo("- is not known: kae evaluate and kae latent measure it")
    echo(f"figure  {path}")


def settings(run: "Run") -> Iterable[tuple[str, Any]]:
    """The settings that make the result."""
    return ((name, value) for name, value in run.config.items() if name != "data_dir")


def shown(row: dict[str, Any]) -> list[str]:
    errors = ["-" if row[error] is None else f"{row[error]:.5f}" for error in ("train_mse", "test_mse")]
    words = [str(row[name]) for name in HEADER[:7]]
    return [*words, *errors, f"{row['seconds']:.1f}"]


def _at(row: Any, keys: tuple[str, ...], form: str) -> str:
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return "-" if row is None else form.format(row)


def _span(metrics: dict[str, Any]) -> Any:
    return metrics.get("intervals", {}).get("mse")
