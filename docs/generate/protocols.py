"""The tables of the page on records: protocols and published figures, from their literal."""

from keras_mnist_ae.bench.records import RECORDS

from .records import table


def protocols() -> str:
    """Each record with its rows and what others published."""
    parts = []
    for record in RECORDS.values():
        better = "Less" if record.less else "More"
        rows = [
            (row.label, "; ".join(f"{each.value:g} ({each.source})" for each in row.published) or "none read")
            for row in record.rows
        ]
        parts.append(f"### {record.name}\n\n{record.protocol} {better} is better.\n")
        parts.append(table(("row", "published"), rows) + "\n")
    return "\n".join(parts)
