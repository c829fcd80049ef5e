"""One run of the user among the records: which protocol fits it, and which does not and why."""

from dataclasses import dataclass
from typing import Any

from ..reporting.table import table
from ..runs.folder import Run
from ..system.hints import titled
from ..system.result import Result
from .measures import MEASURES
from .records import RECORDS, Record, Row

SIZE = ", the record's "  # between the size of a code and that of the record
LARGEST_VARIATIONAL = 50  # numbers of a code in the published tables of likelihoods


@dataclass(frozen=True)
class Place:
    """A row of a record for one run: why it does not `fit` (None where it does), its `value` where
    that has been measured, and what the same measure gives without a training.
    """

    record: Record
    row: Row
    unfit: str | None
    value: float | None
    untrained: float | None


def compare(run: Run) -> Result:
    """Place a finished run in the tables of record. Nothing is trained or measured anew.

    Returns:
        `rows`, each with `record`, `row`, `fits`, `reason` where it does not, `value` (None where
        it is not measured, with the `command` that does), `untrained`, `published` and `standing`
        beside the published figures; `notes`, what is otherwise than in the protocols but does not
        keep the numbers from comparing.

    Raises:
        UsageError: The run is not finished.
    """
    run.require_finished()
    found = [place(run, record, row) for record in RECORDS.values() for row in record.rows]
    told = notes(run)
    numbers = {"run": str(run.path), "notes": told, "rows": [_numbers(run, each) for each in found]}
    return Result(numbers, text(run, found, told))


def place(run: Run, record: Record, row: Row) -> Place:
    """The run in one row."""
    unfit = reason(run, row)
    measure, untrained = MEASURES[row.measure], MEASURES[row.untrained] if row.untrained else None
    value = None if unfit else measure.known(run)
    stale = measure.counted and run.metrics.get("evidence", {}).get("samples", 0) < 1000
    if record.name == "likelihood" and row.label == "bound" and stale:
        value = None
    return Place(record, row, unfit, value, None if unfit or untrained is None else untrained.known(run))


def reason(run: Run, row: Row) -> str | None:
    """Why the number of a run does not compare with that row."""
    config, wanted, table_of = run.config, row.settings, run.variant
    likelihood = "binarize" in wanted
    if config.dataset != wanted["dataset"]:
        return f"trained on {titled(config.dataset)}, the record is of {wanted['dataset']}"
    altered = [name for name in ("resize", "range", "invert") if getattr(config, name)]
    if altered:
        return f"its images were altered ({', '.join(altered)})"
    if config.classes:
        return f"trained on some classes only ({config.classes})"
    if config.noise:
        return f"trained with noise ({config.noise}), which the protocol has not"
    if table_of.switches:
        return "pooling switches pass beside its code"
    if likelihood:
        if not table_of.variational:
            return "its variant is not variational: it has no likelihood"
        if not config.binarize:
            return "trained on grey pixels: its -ELBO compares with none that is published"
        if config.likelihood != "bernoulli":
            return f"its likelihood is {config.likelihood}, the record's bernoulli"
        if table_of.latent > LARGEST_VARIATIONAL:
            return f"its code has {table_of.latent} numbers, published ones at most {LARGEST_VARIATIONAL}"
        return None
    if config.binarize:
        return "trained on binarised pixels, the record is of grey ones"
    if table_of.latent != wanted["latent_dim"]:
        return f"its code has {table_of.latent} numbers{SIZE}{wanted['latent_dim']}"
    return None


def notes(run: Run) -> list[str]:
    """What is otherwise than in the protocols, though the numbers still compare."""
    config = run.config
    sentences = []
    if config.limit:
        sentences.append(f"It was trained on the first {config.limit:,} images alone.")
    if config.validation:
        sentences.append(f"{config.validation:,} training images were kept out of its training.")
    if run.variant.variational:
        sentences.append("Its code is variational: errors and codes are those of the mean.")
    sentences.append("It is one training: published figures of one seed, too, vary with the seed.")
    return sentences


def standing(each: Place) -> str | None:
    """The value beside the published figures that are measured alike."""
    figures = [figure.value for figure in each.row.published if figure.comparable]
    if each.value is None or not figures:
        return None
    ahead = sum((each.value < figure) if each.record.less else (each.value > figure) for figure in figures)
    if ahead == len(figures):
        return "better than published"
    return "behind published" if not ahead else f"better than {ahead} of {len(figures)}"


def text(run: Run, found: list[Place], told: list[str]) -> str:
    """What `kae compare` prints."""
    fitting = [each for each in found if each.unfit is None]
    code = f"{run.variant.latent} numbers"
    parts = [f"{run.path}: {run.config.variant} on {titled(run.config.dataset)}, {code}"]
    if fitting:
        header = ("record", "row", "this run", "untrained", "published", "")
        parts.append(table(header, [_line(each) for each in fitting]))
        parts.append("\n".join(told))
    else:
        parts.append("No record fits this run.")
    if missing := sorted({MEASURES[each.row.measure].command for each in fitting if each.value is None}):
        commands = (f"{command.split(' --')[0]} {run.path}{_options(command)}" for command in missing)
        parts.append("Not measured yet:\n" + "\n".join(f"  {command}" for command in commands))
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in found:
        if each.unfit:
            why, *size = each.unfit.split(SIZE)
            labels = reasons.setdefault((each.record.name, why), [])
            labels += [label for label in size or [""] if label not in labels]
    if reasons:
        lines = [
            f"  {name}: {why}{SIZE if any(sizes) else ''}{' or '.join(sizes)}"
            for (name, why), sizes in reasons.items()
        ]
        parts.append("What does not fit:\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _line(each: Place) -> tuple[str, ...]:
    published = ", ".join(
        f"{figure.value:g}" + ("" if figure.comparable else " (not comparable)")
        for figure in each.row.published
    )
    return (
        each.record.name,
        each.row.label,
        "not measured" if each.value is None else f"{each.value:.4g}",
        "-" if each.untrained is None else f"{each.untrained:.4g}",
        published or "-",
        standing(each) or "",
    )


def _numbers(run: Run, each: Place) -> dict[str, Any]:
    open_value = each.unfit is None and each.value is None
    return {
        "record": each.record.name,
        "row": each.row.label,
        "less_is_better": each.record.less,
        "fits": each.unfit is None,
        "reason": each.unfit,
        "value": each.value,
        "command": MEASURES[each.row.measure].command if open_value else None,
        "untrained": each.untrained,
        "published": [vars(figure) for figure in each.row.published],
        "standing": standing(each),
    }


def _options(command: str) -> str:
    _, *options = command.split(" --")
    return "".join(f" --{option}" for option in options)
