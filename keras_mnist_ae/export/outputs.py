"""What exported graphs give, as files: arrays, tables of codes, pictures; whole or not there."""

import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from ..errors import UsageError
from ..system.atomic import replacing
from .code_tables import TABLES
from .streams import Chunk, Input

Write = Callable[[Chunk], None]


@contextmanager
def writing(target: Path, outputs: list[str], size: int, given: Input) -> Iterator[Write]:
    """A function that takes chunks of results by name; when the block ends well, `target` is there,
    and otherwise as it was before.

    Args:
        outputs: names of the results: `latent` and those of switches, or `reconstruction`.
        size: length of a code.

    Raises:
        UsageError: The results cannot be written to such a target.
        WriteError: It cannot be written.
    """
    codes = outputs[0] == "latent"
    match target.suffix.lower():
        case ".npy" | ".csv" | ".parquet" if len(outputs) > 1:
            raise UsageError(f"encoding gives {', '.join(outputs)}: name a .npz file as the output.")
        case ".npy":
            with (
                replacing(target) as temporary,
                temporary.open("wb") as file,
                _arrays({outputs[0]: file}) as w,
            ):
                yield w
        case ".csv" | ".parquet" as suffix if codes:
            with replacing(target) as temporary:
                table = TABLES[suffix](temporary, size)
                try:
                    yield _rows(table, given.first)
                finally:
                    table.close()
        case ".npz":
            with replacing(target) as temporary, ExitStack() as stack:
                files = {
                    name: stack.enter_context(tempfile.TemporaryFile(dir=target.parent)) for name in outputs
                }
                texts: dict[str, list[str]] = {"name": [], "class": []}
                with _arrays(files) as write:
                    yield _with_texts(write, texts)
                with zipfile.ZipFile(temporary, "w") as archive:
                    for name, part in files.items():
                        part.seek(0)
                        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                            shutil.copyfileobj(part, member)
                    for name, column in texts.items():
                        if any(column):
                            with archive.open(f"{name}.npy", "w") as member:
                                np.save(member, np.array(column), allow_pickle=False)
        case "" if not codes:
            if target.exists():
                raise UsageError(f"{target} exists; name a new folder for the pictures.")
            with replacing(target) as temporary:
                temporary.mkdir()
                yield _pictures(temporary, _files(given), given.total)
        case _:
            raise UsageError(
                f"cannot write {target.name}; name a .npy or .npz file, or a "
                f"{'.csv or .parquet table.' if codes else 'folder for pictures.'}"
            )


def _rows(table: Any, first: int) -> Write:
    count = first

    def write(chunk: Chunk) -> None:
        nonlocal count
        codes = chunk.arrays["latent"]
        names = chunk.names or [str(count + at) for at in range(len(codes))]
        table.write(names, chunk.classes or [""] * len(codes), codes)
        count += len(codes)

    return write


def _with_texts(write: Write, texts: dict[str, list[str]]) -> Write:
    def both(chunk: Chunk) -> None:
        write(chunk)
        texts["name"] += chunk.names
        texts["class"] += chunk.classes

    return both


def _files(given: Input) -> dict[str, PurePosixPath]:
    """Where the picture of each name goes: in the same tree, with the ending .png. Two that would
    get the same name keep their own endings.
    """
    clean = {name: PurePosixPath(*_inside(name)) for name in given.names}
    stems = Counter(path.with_suffix("") for path in clean.values())
    return {
        name: path.with_name(f"{path.stem if stems[path.with_suffix('')] == 1 else path.name}.png")
        for name, path in clean.items()
    }


def _inside(name: str) -> list[str]:
    """The parts of a name that stay below a folder."""
    parts = name.replace("\\", "/").replace(":", "_").split("/")
    return [part for part in parts if part not in ("", ".", "..")] or ["picture"]


def _pictures(folder: Path, files: Mapping[str, PurePosixPath], total: int) -> Write:
    from PIL import Image

    count, digits, written = 0, len(str(total)), set[PurePosixPath]()

    def write(chunk: Chunk) -> None:
        nonlocal count
        images = np.rint(np.clip(chunk.arrays["reconstruction"], 0, 1) * 255).astype(np.uint8)
        for at, image in enumerate(images):
            place = PurePosixPath(f"{count:0{digits}}.png")
            if chunk.names and chunk.names[at] in files:
                place = files[chunk.names[at]]
            if place in written:  # the same name twice
                place = place.with_name(f"{place.stem}-{count}.png")
            written.add(place)
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)
            count += 1

    return write


@contextmanager
def _arrays(files: Mapping[str, IO[bytes]]) -> Iterator[Write]:
    """Appends to .npy files, whose headers say at the end how many rows came."""
    shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
    count = 0

    def write(chunk: Chunk) -> None:
        nonlocal count
        for name in files:
            array = chunk.arrays[name]
            if name not in shapes:
                shapes[name] = array.dtype, array.shape[1:]
                _header(files[name], *shapes[name], 0)
            files[name].write(np.ascontiguousarray(array).data)
        count += len(array)

    yield write
    for name, (dtype, shape) in shapes.items():
        files[name].seek(0)
        _header(files[name], dtype, shape, count)


def _header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...], count: int) -> None:
    """numpy keeps room for a longer number of rows, so that the header's length stays the same."""
    npy_format.write_array_header_1_0(
        file,
        {
            "descr": npy_format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (count, *shape),
        },
    )
