"""Tables with a path or an encoded picture in a column, as a source of images."""

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..system import signals
from ..system.hints import counted
from ..system.progress import phase
from .assembly import Part, Source, some
from .decoding import Decoder
from .folders import PICTURES
from .headers import Header, first_size, header, images_of
from .opening import opened
from .pictures import BROKEN, why
from .reading import Reading

ROWS = 256  # between two steps of the bar
FIRST = 20  # rows looked at for where the pictures lie
FOLDERS = 50  # beside the table, looked through for them


class Place(NamedTuple):
    """Where the pictures lie that a column names: a folder, and the suffix that the names lack."""

    folder: Path
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.folder.name}/NAME{self.suffix}"

    def path(self, name: str) -> Path:
        """Of the picture of that name."""
        return self.folder / f"{name}{self.suffix}"


def located(table: Any, name: str, folder: Path) -> Place | None:
    """The place of the pictures that a column of text names, from its first rows: the table's
    folder or one within it. None where there are none.
    """
    values = [value for value in table.column(name).slice(0, FIRST).to_pylist() if isinstance(value, str)]
    within = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for place in (folder, *within[:FOLDERS]):
        for suffix in ("", *sorted(PICTURES)):
            found = Place(place, suffix)
            if any(value and _is_picture(found.path(value.replace("\\", "/"))) for value in values):
                return found
    return None


def there_are(table: Any, name: str, folder: Path) -> bool:
    """Whether one of the first rows holds or names a picture that is there."""
    if not of_bytes(table, name):
        return located(table, name, folder) is not None
    for at in range(min(table.num_rows, FIRST)):
        try:
            with opened(_content(table, name, at, Place(folder)), None):
                return True
        except BROKEN:
            continue
    return False


def _is_picture(path: Path) -> bool:
    try:
        return path.suffix.lower() in PICTURES and path.is_file()
    except OSError:  # a text too long for a name
        return False


def holds_pictures(table: Any, name: str) -> bool:
    """Whether a column may hold paths or encoded pictures."""
    import pyarrow.types as kinds

    kind = table.schema.field(name).type
    return of_bytes(table, name) or bool(kinds.is_string(kind) or kinds.is_large_string(kind))


def of_bytes(table: Any, name: str) -> bool:
    """Whether a column holds encoded pictures, or structures with them."""
    import pyarrow.types as kinds

    kind = table.schema.field(name).type
    if kinds.is_struct(kind):
        return "bytes" in {kind.field(at).name for at in range(kind.num_fields)}
    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))


def source(
    path: Path,
    tables: dict[str, Any],
    column: str,
    labels: dict[str, NDArray[Any] | None],
    reading: Reading,
) -> Source:
    """The images of tables by split, out of their `column`.

    Raises:
        ValueError: It holds no pictures.
        DataError: Most of them cannot be read.
    """
    first = next(iter(tables.values()))
    place, notes = Place(path.parent), list[str]()
    if not of_bytes(first, column):
        place = located(first, column, path.parent) or place
        if place != Place(path.parent):
            notes = [f"the pictures of column {column} are {place}"]
    broken: list[str] = []
    total = sum(table.num_rows for table in tables.values())
    headers: list[Header] = []
    with phase("looking at pictures", total) as advance:
        for table in tables.values():
            for at in range(table.num_rows):
                if at % ROWS == 0:
                    signals.check()
                    advance(min(ROWS, table.num_rows - at))
                try:
                    with opened(_content(table, column, at, place), reading.size) as picture:
                        headers.append(header(picture, reading))
                except BROKEN:  # said when it is decoded
                    continue
    if not headers:
        raise ValueError(f"column {column!r} holds no pictures")
    shape, reading, more = images_of(headers, first_size(headers, reading), reading)
    notes += more
    decoder = Decoder(shape, reading)

    def decode(row: tuple[Any, int]) -> NDArray[np.uint8] | None:
        table, at = row
        try:
            return decoder(_content(table, column, at, place))
        except BROKEN as error:
            broken.append(f"row {at} ({why(error)})")
            return None

    def finish() -> list[str]:
        if 2 * len(broken) > total:
            of = f"{len(broken)} of {counted(total, 'picture')} in {path}"
            raise DataError(f"{of} cannot be read: {some(broken)}")
        return [f"{len(broken)} broken: {some(broken)}"] if broken else []

    parts = {
        split: Part(
            [(table, at) for at in range(table.num_rows)],
            decode,
            labels[split],
            _picture_names(table.column(column)),
        )
        for split, table in tables.items()
    }
    return Source(str(path), parts, shape, notes, parallel=True, finish=finish, depth=reading.depth)


def _picture_names(column: Any) -> list[str] | None:
    """The paths of the pictures in a column, where each has one."""
    import pyarrow.types as kinds

    if kinds.is_struct(column.type):
        fields = {column.type.field(at).name for at in range(column.type.num_fields)}
        column = column.combine_chunks().field("path") if "path" in fields else None
    elif kinds.is_binary(column.type):
        column = None
    names = [] if column is None else column.to_pylist()
    return names if names and all(names) else None


def _content(table: Any, column: str, row: int, place: Place) -> Any:
    """The stream or path of a picture."""
    value = table.column(column)[row].as_py()
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return io.BytesIO(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"row {row} of {column!r} is empty")
    path = place.path(value)
    return path if "\\" not in value or path.exists() else place.path(value.replace("\\", "/"))
