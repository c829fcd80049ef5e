"""Tables as plain text. Standard library only."""

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest entry; a column of numbers is aligned to the right."""
    columns = []
    for column in zip(header, *rows, strict=True):
        width = max(map(len, column))
        numbers = all(_is_number(entry) for entry in column[1:])
        columns.append([entry.rjust(width) if numbers else entry.ljust(width) for entry in column])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _is_number(entry: str) -> bool:
    return entry.lstrip("+-")[:1].isdigit() or entry in {"", "-"}


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
