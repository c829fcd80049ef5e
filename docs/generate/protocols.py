"""The tables of the page on records: protocols and published figures from their literal, and ours
where `kae reproduce NAME --json > docs/data/record-NAME.json` has measured them.
"""

from typing import Any

from keras_mnist_ae.bench.records import RECORDS, Record, Row

from .records import DATA, measured, table


def protocols() -> str:
    """Each record with its rows, what others published and what was measured here."""
    parts = []
    for record in RECORDS.values():
        better = "Less" if record.less else "More"
        parts.append(f"### {record.name}\n\n{record.protocol} {better} is better.\n")
        parts.append(_table(record) + "\n")
    return "\n".join(parts)


def _table(record: Record) -> str:
    name = f"record-{record.name}"
    if not (DATA / f"{name}.json").is_file():
        return table(("row", "published"), [(row.label, _published(row)) for row in record.rows])
    ours = {row["row"]: row for row in measured(name)["rows"]}
    rows = [(row.label, *_ours(ours[row.label]), _published(row)) for row in record.rows]
    return table(("row", "ours >", "seeds >", "untrained >", "published"), rows)


def _published(row: Row) -> str:
    return "; ".join(f"{each.value:g} ({each.source})" for each in row.published) or "none read"


def _ours(found: dict[str, Any]) -> tuple[str, str, str]:
    if found["mean"] is None:
        return "", "", ""
    spread = "" if found["std"] is None else f" ± {found['std']:.2g}"
    untrained = "" if found["untrained"] is None else f"{found['untrained']:.4g}"
    return f"{found['mean']:.4g}{spread}", str(len(found["seeds"])), untrained
