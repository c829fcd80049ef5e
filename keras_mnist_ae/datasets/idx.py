"""IDX files, the format of MNIST and of its drop-in replacements: the known sets, and a strict
reader of their files.
"""

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..system.reading import open_regular

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64] | None, NDArray[np.uint8], NDArray[np.int64] | None]
"""Train images, train labels, test images, test labels: images uint8 of shape (n, H, W, C), labels
int64 of shape (n,).
"""


@dataclass(frozen=True)
class IdxFile:
    """One file of a set. `gz_bytes` and `gz_sha256` are those of the published .gz; `md5` is that
    of its contents, where it is known.
    """

    name: str
    shape: tuple[int, ...]
    gz_bytes: int
    gz_sha256: str
    md5: str | None = None


@dataclass(frozen=True)
class IdxSet:
    """Four files in the order of `Arrays`, published at `url` + name + ".gz"."""

    title: str
    url: str
    classes: tuple[str, ...]
    files: tuple[IdxFile, IdxFile, IdxFile, IdxFile]


TRAIN, TEST = (60_000, 28, 28), (10_000, 28, 28)
FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
HIRAGANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

# fmt: off
IDX_SETS = {
    "mnist": IdxSet("handwritten digits", "https://storage.googleapis.com/cvdf-datasets/mnist/", tuple("0123456789"), (
        IdxFile("train-images-idx3-ubyte", TRAIN, 9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", "6bbc9ace898e44ae57da46a324031adb"),
        IdxFile("train-labels-idx1-ubyte", TRAIN[:1], 28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", "a25bea736e30d166cdddb491f175f624"),
        IdxFile("t10k-images-idx3-ubyte", TEST, 1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", "2646ac647ad5339dbf082846283269ea"),
        IdxFile("t10k-labels-idx1-ubyte", TEST[:1], 4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", "27ae3e4e09519cfbb04c329615203637"),
    )),
    "fashion_mnist": IdxSet("articles of clothing", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", FASHION, (
        IdxFile("train-images-idx3-ubyte", TRAIN, 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        IdxFile("train-labels-idx1-ubyte", TRAIN[:1], 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        IdxFile("t10k-images-idx3-ubyte", TEST, 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        IdxFile("t10k-labels-idx1-ubyte", TEST[:1], 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    )),
    "kmnist": IdxSet("cursive hiragana", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/", HIRAGANA, (
        IdxFile("train-images-idx3-ubyte", TRAIN, 18165135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        IdxFile("train-labels-idx1-ubyte", TRAIN[:1], 29497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        IdxFile("t10k-images-idx3-ubyte", TEST, 3041136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        IdxFile("t10k-labels-idx1-ubyte", TEST[:1], 5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    )),
}
# fmt: on


def find(folder: Path, known: IdxSet) -> list[Path]:
    """The four files of a set in `folder`, each one plain or else with .gz; [] when none is there.
    Raises `DataError` when some are.
    """
    found = [
        next((path for path in (folder / file.name, folder / f"{file.name}.gz") if path.is_file()), None)
        for file in known.files
    ]
    paths = [path for path in found if path]
    if paths and len(paths) < len(found):
        missing = ", ".join(file.name for file, path in zip(known.files, found, strict=True) if path is None)
        raise DataError(
            f"{folder} is incomplete: there is no {missing} (plain or .gz).\n"
            f"Published at {known.url}: add what is missing."
        )
    return paths


def read_set(paths: list[Path], known: IdxSet) -> Arrays:
    """The arrays in the four files of a set. Raises `DataError` for a file that is not what the set
    says.
    """
    train_images, train_labels, test_images, test_labels = (
        _read(path, file, known) for path, file in zip(paths, known.files, strict=True)
    )
    return (
        train_images[..., np.newaxis],
        train_labels.astype(np.int64),
        test_images[..., np.newaxis],
        test_labels.astype(np.int64),
    )


def _read(path: Path, file: IdxFile, known: IdxSet) -> NDArray[Any]:
    """uint8 of shape `file.shape`, read-only. Reads one byte more than the file may have: a giant
    cannot fill the memory.
    """
    size = len(_header(file)) + prod(file.shape)
    fault: str | None
    try:
        with open_regular(path) as opened, gzip.open(opened) if path.suffix == ".gz" else opened as stream:
            content = stream.read(size + 1)
        fault = _header_fault(content, file) or _content_fault(content, size, file, len(known.classes))
        if not fault and path.suffix == ".gz" and not file.md5:
            fault = _archive_fault(path, file)
    except EOFError:
        fault = f"is truncated: its {path.stat().st_size:,} bytes end within the gzip stream; expected {size:,} bytes once unpacked"
    except (OSError, ValueError, zlib.error) as error:
        fault = f"cannot be read: {error}"
    if fault:
        raise DataError(f"{path} {fault}.\nReplace it by the published file: {known.url}{file.name}.gz")
    return np.frombuffer(content, np.uint8, offset=len(_header(file))).reshape(file.shape)


def _header(file: IdxFile) -> bytes:
    """Magic number (0, 0, 8 for unsigned bytes, number of axes) and the length of each axis,
    big-endian.
    """
    return struct.pack(f">I{len(file.shape)}I", 0x0800 + len(file.shape), *file.shape)


def _header_fault(content: bytes, file: IdxFile) -> str | None:
    expected = _header(file)
    if len(content) < len(expected):
        return f"is truncated: found {len(content)} bytes, expected a header of {len(expected)} bytes"
    if content[:4] != expected[:4]:
        return f"is mislabelled: found magic number 0x{content[:4].hex()}, expected 0x{expected[:4].hex()}"
    found = struct.unpack_from(f">{len(file.shape)}I", content, 4)
    if found != file.shape:
        return f"is mislabelled: found {_times(found)} values, expected {_times(file.shape)}"
    return None


def _content_fault(content: bytes, size: int, file: IdxFile, classes: int) -> str | None:
    if len(content) > size:
        return f"is too long: found more than the expected {size:,} bytes"
    if len(content) < size:
        return f"is truncated: found {len(content):,} bytes, expected {size:,}"
    if len(file.shape) == 1 and (largest := max(content[8:])) >= classes:
        return f"is no list of labels of this set: found label {largest}, expected 0 to {classes - 1}"
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if file.md5 and found != file.md5:
        return f"is mislabelled, not the canonical file: found md5 {found} (of the contents), expected {file.md5}"
    if owner := next(
        (
            name
            for name, known in IDX_SETS.items()
            for other in known.files
            if file.md5 is None and other.md5 == found
        ),
        None,
    ):
        return f"is mislabelled: found the contents of a file of {owner}"
    return None


def _archive_fault(path: Path, file: IdxFile) -> str | None:
    """Where the md5 of the contents is not published, the archive itself is what can be checked (a
    plain file: header and size alone).
    """
    if path.stat().st_size != file.gz_bytes:
        return (
            f"is not the published archive: found {path.stat().st_size:,} bytes, expected {file.gz_bytes:,}"
        )
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != file.gz_sha256:
        return f"is not the published archive: found sha256 {found}, expected {file.gz_sha256}"
    return None


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
