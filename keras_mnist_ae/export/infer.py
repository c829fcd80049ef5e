"""Files in, files out: exported graphs over arrays and pictures of any number, a chunk in memory at
a time.
"""

import shutil
import struct
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ..datasets.arrays import UNREADABLE
from ..datasets.reading import Fit
from ..datasets.resize import fitted, opened, pixels, upright
from ..errors import DataError, KaeError, UsageError
from ..system import npy
from ..system.atomic import replacing
from .runtime import Info, OnnxAutoencoder

CHUNK = 256  # images or codes at a time
LARGEST = 2**28  # bytes of a chunk
PICTURES = {".png", ".jpg", ".jpeg"}
Arrays = dict[str, NDArray[Any]]


def infer(job: str, folder: Path, source: Path, target: Path) -> int:
    """Run `job` ("encode", "decode" or "reconstruct") of the graphs in `folder` over `source` into
    `target`; give the number of items.

    `source` is a .npy file, a .npz file (whose arrays are named as the graphs' inputs, or the only
    one), a .png or .jpg picture or a folder of them. `target` is a .npy file; a .npz file, needed
    where encoding gives switches too; or, for images, a new folder of .png pictures, which bear the
    names of those that were read, else numbers. Raises `UsageError` for another kind of file,
    `DataError` for content that does not fit, `CorruptFileError`, and `WriteError`.
    """
    model = OnnxAutoencoder(folder, chunk=CHUNK)
    ports = ["latent", *model.info.switches] if job == "decode" else ["image"]
    names = ["latent", *model.info.switches] if job == "encode" else ["reconstruction"]
    pictures = _paths(source)
    count = 0
    with (
        _reading(source, pictures, ports, model.info) as (total, chunks),
        _writing(target, names, total, pictures) as write,
    ):
        for chunk in chunks:
            given: Any = [chunk[port] for port in ports] if len(ports) > 1 else chunk[ports[0]]
            result = getattr(model, job)(given)
            results = result if isinstance(result, list) else [result]
            write(dict(zip(names, results, strict=True)))
            count += len(results[0])
    return count


def _paths(source: Path) -> list[Path] | None:
    """The pictures in a folder, by name, or the one; None for a file of arrays."""
    if source.is_dir():
        return sorted(path for path in source.iterdir() if path.suffix.lower() in PICTURES)
    return [source] if source.suffix.lower() in PICTURES else None


@contextmanager
def _reading(
    source: Path, pictures: list[Path] | None, ports: list[str], info: Info
) -> Iterator[tuple[int, Iterator[Arrays]]]:
    """How many items there are, and their chunks by the name of the input."""
    with ExitStack() as stack:
        if pictures is not None:
            if not pictures or ports != ["image"]:
                raise DataError(
                    f"{source} has no .png or .jpg pictures in it."
                    if not pictures
                    else "codes cannot be read from pictures; give .npy or .npz."
                )
            yield (
                len(pictures),
                (
                    {"image": _pictures(pictures[at : at + CHUNK], info.image, "resize" in info.metadata)}
                    for at in range(0, len(pictures), CHUNK)
                ),
            )
            return
        try:
            streams = _streams(source, ports, stack)
            headers = {name: _header(stream) for name, stream in streams.items()}
        except KaeError:
            raise
        except UNREADABLE as error:
            raise DataError(f"{source} cannot be read: {error}") from error
        lengths = {shape[0] for shape, _ in headers.values()}
        if len(lengths) > 1:
            raise DataError(
                f"the arrays in {source} are not equally long: {', '.join(map(str, sorted(lengths)))}"
            )
        (total,) = lengths
        yield (
            total,
            (
                {name: _rows(streams[name], *headers[name], at, source) for name in ports}
                for at in range(0, max(total, 1), CHUNK)
            ),
        )


def _streams(source: Path, ports: list[str], stack: ExitStack) -> dict[str, IO[bytes]]:
    match source.suffix:
        case ".npy" if len(ports) == 1:
            return {ports[0]: stack.enter_context(source.open("rb"))}
        case ".npz":
            archive = stack.enter_context(zipfile.ZipFile(source))
            members = [name.removesuffix(".npy") for name in archive.namelist()]
            if len(ports) == len(members) == 1:
                return {ports[0]: stack.enter_context(archive.open(f"{members[0]}.npy"))}
            if missing := [port for port in ports if port not in members]:
                raise DataError(
                    f"{source} has the arrays {', '.join(members) or 'none'}; expected "
                    f"{', '.join(missing)} too."
                )
            return {port: stack.enter_context(archive.open(f"{port}.npy")) for port in ports}
        case ".npy":
            raise UsageError(
                f"this decoder takes {', '.join(ports)}: give a .npz file with these arrays, as `kae infer "
                "encode` writes it."
            )
        case other:
            raise UsageError(
                f"{source}: cannot read {other or 'files without suffix'}; give .npy, .npz, .png, .jpg or "
                "a folder of pictures."
            )


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """As `npy.header`, of rows that memory holds a chunk of."""
    shape, dtype = npy.header(stream)
    if not shape or CHUNK * prod(shape[1:]) * dtype.itemsize > LARGEST:
        raise ValueError(f"an array of shape {shape} and type {dtype}; give rows of images or codes")
    return shape, dtype


def _rows(
    stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], at: int, source: Path
) -> NDArray[Any]:
    """The next chunk of rows."""
    try:
        return npy.rows(stream, (min(CHUNK, shape[0] - at), *shape[1:]), dtype)
    except ValueError as error:
        raise DataError(f"{source}, from row {at} of {shape[0]}: {error}") from error


def _pictures(paths: list[Path], image: tuple[int, ...], resized: bool) -> NDArray[np.uint8]:
    """Made what training makes of pictures; to another size only where it did that too."""
    from PIL import Image

    height, width, channels = image
    found = []
    for path in paths:
        try:
            with opened(path) as picture:
                if not resized and sorted(picture.size) != sorted((width, height)):
                    raise DataError(
                        f"{path} is {picture.width}x{picture.height} pixels; expected {width}x{height}"
                    )
                if picture.mode == "F":
                    raise DataError(f"{path} holds floating point numbers; convert it to 8 bits")
                ready = upright(picture, channels)
        except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        if not resized and ready.size != (width, height):
            raise DataError(f"{path} is {ready.width}x{ready.height} pixels; expected {width}x{height}")
        found.append(pixels(fitted(ready, Fit(height, width))))
    return np.stack(found)


@contextmanager
def _writing(target: Path, names: list[str], total: int, pictures: list[Path] | None) -> Iterator[Any]:
    """A function that takes chunks by name; when the block ends well, `target` is there, and
    otherwise as it was before.
    """
    match target.suffix:
        case ".npy":
            if len(names) > 1:
                raise UsageError(f"encoding gives {', '.join(names)}: name a .npz file as the output.")
            with replacing(target) as temporary, temporary.open("wb") as file:
                yield _appending({names[0]: file}, total)
        case ".npz":
            with replacing(target) as temporary, ExitStack() as stack:
                files = {
                    name: stack.enter_context(tempfile.TemporaryFile(dir=target.parent)) for name in names
                }
                yield _appending(files, total)
                with zipfile.ZipFile(temporary, "w") as archive:
                    for name, part in files.items():
                        part.seek(0)
                        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                            shutil.copyfileobj(part, member)
        case "" if names == ["reconstruction"]:
            if target.exists():
                raise UsageError(f"{target} exists; name a new folder for the pictures.")
            with replacing(target) as temporary:
                temporary.mkdir()
                if pictures is None:
                    labels = [f"{number:0{len(str(total))}}" for number in range(total)]
                else:
                    stems = Counter(path.stem for path in pictures)
                    labels = [path.stem if stems[path.stem] == 1 else path.name for path in pictures]
                yield _drawing(temporary, iter(labels))
        case _:
            raise UsageError(
                f"cannot write {target.name}; name a .npy or .npz "
                f"file{'' if 'latent' in names else ', or a folder for pictures'}."
            )


def _drawing(folder: Path, labels: Iterator[str]) -> Any:
    from PIL import Image

    def write(chunk: Arrays) -> None:
        for image in np.rint(np.clip(chunk["reconstruction"], 0, 1) * 255).astype(np.uint8):
            pixels = image[..., 0] if image.shape[-1] == 1 else image
            Image.fromarray(pixels).save(folder / f"{next(labels)}.png")

    return write


def _appending(files: Mapping[str, IO[bytes]], total: int) -> Any:
    started = set()

    def write(chunk: Arrays) -> None:
        for name, array in chunk.items():
            if name not in started:
                header = {
                    "descr": npy_format.dtype_to_descr(array.dtype),
                    "fortran_order": False,
                    "shape": (total, *array.shape[1:]),
                }
                npy_format.write_array_header_1_0(files[name], header)
                started.add(name)
            files[name].write(np.ascontiguousarray(array).data)

    return write
