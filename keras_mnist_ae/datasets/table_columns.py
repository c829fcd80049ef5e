"""Which columns of a table are pictures, labels, splits, or numbers of its rows."""

import json
from pathlib import Path
from typing import Any

from ..system.hints import counted
from . import picture_tables
from .assembly import some
from .pixel_vectors import vector_column
from .splits import are_splits, split_of

LABELS = ("label", "labels", "class", "class_name", "target", "y", "category", "fine_label")
PICTURES = ("image", "img", "path", "file", "filename", "file_name", "image_path", "filepath")
IDS = ("id", "index", "row_id", "image_id", "unnamed: 0", "")  # first columns that number the rows
WIDE = 16  # columns, among which are pixels
SPLITS = ("split", "subset", "set", "partition", "usage", "data set", "data_set", "dataset")


def picture_column(table: Any, folder: Path) -> str | None:
    """The column that holds pictures or their paths in a table of that folder: one of the usual
    names comes first.
    """
    by_name = {name.lower(): name for name in reversed(table.column_names)}
    usual = [by_name[name] for name in PICTURES if name in by_name]
    usual = [name for name in usual if picture_tables.holds_pictures(table, name)]
    for name in dict.fromkeys([*usual, *table.column_names]):
        if picture_tables.holds_pictures(table, name) and picture_tables.there_are(table, name, folder):
            return str(name)
    if usual and len(table.column_names) < WIDE and vector_column(table) is None:
        return str(usual[0])  # whose reading says what is wrong
    return None


def labels_beside(tables: list[Any], picture: str) -> tuple[str | None, list[str]]:
    """The column of labels in tables of pictures, and those that are left out. Where no name
    tells, a single other column whose values come again and again is it.
    """
    from pyarrow.types import is_nested

    table, rows = tables[0], sum(each.num_rows for each in tables)
    others = [name for name in table.column_names if name != picture and name.lower() not in IDS]
    if label := label_column(table):
        return label, [name for name in others if name != label]
    kinds = {
        name: len({value for each in tables for value in each.column(name).unique().to_pylist()})
        for name in others
        if not is_nested(table.schema.field(name).type)
    }
    again = [name for name, count in kinds.items() if 1 < count <= rows / 2]
    if len(again) == 1:
        return again[0], [name for name in others if name != again[0]]
    return None, others


def said_of(label: str | None, others: list[str]) -> list[str]:
    """What is said of a column of labels that no usual name tells, and of those left out."""
    notes = [f"the column {label} holds the labels"] if label and label.lower() not in LABELS else []
    return [*notes, *([f"left out the column{'s' * (len(others) > 1)} {some(others)}"] if others else [])]


def label_column(table: Any) -> str | None:
    """The column of labels by its name, if there is one."""
    from pyarrow.types import is_binary, is_nested

    for name in table.column_names:
        kind = table.schema.field(name).type
        if name.lower() in LABELS and not (is_nested(kind) or is_binary(kind)):
            return str(name)
    return None


def class_names(table: Any, column: str) -> tuple[str, ...]:
    """The names that a Hugging Face dataset keeps in its schema."""
    try:
        told = json.loads(table.schema.metadata[b"huggingface"])
        return tuple(map(str, told["info"]["features"][column]["names"]))
    except (TypeError, KeyError, ValueError):
        return ()


def row_ids(table: Any) -> list[str]:
    """The first column, where it numbers the rows."""
    return [name for name in table.column_names[:1] if name.lower() in IDS]


def without_splits(table: Any) -> tuple[Any, list[str] | None, list[str]]:
    """A table without the column that says the split of each row, and what it says; None where
    there is no such column. Rows whose split has no usual name are left out, and a note says so.
    """
    for name in table.column_names:
        values = table.column(name).to_pylist() if name.lower() in SPLITS else []
        splits = [split_of(str(value)) for value in values]
        if are_splits({str(value) for value, split in zip(values, splits, strict=True) if split}):
            known = [split for split in splits if split]
            left = len(splits) - len(known)
            notes = [f"left out {counted(left, 'row')} of no split"] if left else []
            rows = table.filter([split is not None for split in splits]) if left else table
            return rows.drop_columns([name]), known, notes
    return table, None, []
