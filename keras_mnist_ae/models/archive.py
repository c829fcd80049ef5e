"""A look at a `model.keras` before Keras sees it: what `Autoencoder.save` does not write is
refused, and nothing in it is ever run.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..system.reading import open_regular

MEMBERS = {
    "metadata.json": 2**16,
    "config.json": 2**23,
    "model.weights.h5": 2**31,
}  # and the bytes that each may have
KINDS = {
    b"\x89HDF": "a bare HDF5 file; only the .keras archives of this package are opened",
    b"\x80": "a pickle, which can hold code: it is never opened",
}
DEEPEST = 12  # groups within groups of weights
MOST = 10_000  # entries of the file with the weights

Class = tuple[str, str]


class Contents(NamedTuple):
    """What a file says of itself: the model's name, the classes it is made of (module, name), the
    shapes of its weights, and its table as TOML where it holds one.
    """

    name: str
    classes: set[Class]
    shapes: list[tuple[int, ...]]
    table: str | None


def screened(path: Path) -> Contents:
    """The contents of a file that holds three stored members, no link, and no more weights than its
    size allows.

    Raises `ValueError`, saying what is wrong, and OSError.
    """
    with open_regular(path) as file:
        return _screened(file)


def _screened(file: IO[bytes]) -> Contents:
    if not zipfile.is_zipfile(file):
        file.seek(0)
        start = file.read(8)
        kind = next(
            (kind for magic, kind in KINDS.items() if start.startswith(magic)),
            "no Keras archive, or a part of one",
        )
        raise ValueError(f"it is {kind}")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.filename.endswith("data.pkl") for member in members):
            raise ValueError("it is a PyTorch file, a pickle, which can hold code: it is never opened")
        if sorted(member.filename for member in members) != sorted(MEMBERS):
            raise ValueError(f"it holds other files than {', '.join(MEMBERS)}")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > MEMBERS[member.filename]:
                raise ValueError(f"its {member.filename} is compressed, or larger than any of ours")
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ValueError("its config.json describes no model")
    described = config["config"]
    own = described.get("autoencoder")
    table = own.get("variant") if isinstance(own, dict) else None
    if not isinstance(table, str | None):
        raise ValueError("its table is no text")
    named = classes({key: value for key, value in config.items() if key != "compile_config"})
    return Contents(str(described.get("name")), named, _shapes(weights), table)


def classes(config: Any) -> set[Class]:
    """Every class that a Keras config names."""
    found: set[Class] = set()
    waiting = [config]
    while waiting:
        match waiting.pop():
            case {"class_name": str(name), **others} as entry:
                found.add((str(others.get("module")), name))
                waiting += entry.values()
            case dict() as entry:
                waiting += entry.values()
            case list() as entries:
                waiting += entries
            case _:
                pass
    return found


def _shapes(content: bytes) -> list[tuple[int, ...]]:
    import h5py

    found: list[tuple[int, ...]] = []
    room, visits = len(content), 0

    def visit(group: Any, depth: int) -> None:
        nonlocal room, visits
        for name in group:
            visits += 1
            if visits > MOST:
                raise ValueError(f"its weights have more than {MOST:,} entries")
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink) or depth > DEEPEST:
                raise ValueError("its weights lead elsewhere")
            entry = group[name]
            if isinstance(entry, h5py.Group):
                visit(entry, depth + 1)
                continue
            plain = (
                entry.chunks is None
                and not entry.external
                and not entry.is_virtual
                and entry.dtype.kind in "fiu"
            )
            room -= entry.nbytes
            if not plain or room < 0:
                raise ValueError("its weights are no plain numbers, or more than the file has room for")
            if entry.name.startswith("/layers/"):  # not the optimizer's
                found.append(tuple(entry.shape))

    with h5py.File(io.BytesIO(content), "r") as file:
        visit(file, 0)
    return found
