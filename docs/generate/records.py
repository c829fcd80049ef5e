"""The measurements behind the tables: JSON files in docs/data, written by `make results`."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = ROOT / "docs" / "data"
REFERENCES = ("conv-avgpool", "conv-k15", "conv-k16", "conv-unpool", "mlp")
RUN_PREFIXES = {"mnist": "", "digits": "digits-"}  # by dataset; the variant's name follows


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown. A column whose name ends in " >" is aligned to the right."""
    lines = [
        [column.removesuffix(" >") for column in columns],
        ["--:" if column.endswith(" >") else "---" for column in columns],
        *([str(cell) for cell in row] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def measured(name: str) -> dict[str, Any]:
    """The JSON output of a command."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def runs() -> dict[str, dict[str, Any]]:
    """The runs of `make results`, by name."""
    return {run["run"]: run for run in measured("results")["runs"]}


def evaluations(dataset: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and metrics of each reference variant that has a run on the dataset."""
    all_runs = runs()
    names = {variant: RUN_PREFIXES[dataset] + variant for variant in REFERENCES}
    return [(variant, all_runs[run]["metrics"]) for variant, run in names.items() if run in all_runs]


def exports() -> dict[tuple[str, str], dict[str, Any]]:
    """The exported autoencoder graphs, by variant and precision."""
    graphs = {}
    for line in (DATA / "exports.jsonl").read_text(encoding="utf-8").splitlines():
        export = json.loads(line)
        precision = Path(export["folder"]).name.removeprefix("onnx").removeprefix("-") or "float32"
        graphs[Path(export["run"]).name, precision] = export["graphs"][2]
    return graphs


def inference() -> dict[tuple[str, str, int], dict[str, Any]]:
    """The results of `kae bench infer`, by variant, graph and batch size."""
    return {(row["variant"], row["graph"], row["batch"]): row for row in measured("infer")["results"]}
