"""Named image sets as arrays: IDX files, TensorFlow Datasets, and the handwritten digits inside
scikit-learn, behind `load`.
"""

import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, UsageError
from ..system.hints import did_you_mean
from ..system.user_cache import cache_folder
from . import digits, user_files
from .cache import Decoded, content_sha256, decoded, from_cache
from .idx import IDX_SETS, find, read_set
from .resize import Fit

PREPARED = (
    "[0-9]*.[0-9]*.[0-9]*/dataset_info.json"  # TFDS gives a folder the name of its version once it is whole
)
OTHER_NAMES = "tfds:NAME (any image dataset of TensorFlow Datasets)"


@dataclass(frozen=True)
class Split:
    """Images uint8 of shape (n, H, W, C), labels int64 of shape (n,) or None where there are none.
    Read-only, often memory-mapped.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None


@dataclass(frozen=True)
class Dataset:
    """Two splits and the names of the classes, () without labels.

    `sha256` identifies the content wherever it came from: it is taken over the bytes of train
    images, train labels, test images, test labels (as little-endian int64).
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    sha256: str

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        _, height, width, channels = self.train.images.shape
        return channels, height, width


@dataclass(frozen=True)
class Available:
    """A line of `kae data list`."""

    name: str
    description: str
    where: str


def load(
    name: str, data_dir: Path | None = None, *, download: bool = True, fit: Fit | None = None
) -> Dataset:
    """The image set `name`: mnist, fashion_mnist, kmnist, digits, tfds:NAME, or the path of a
    folder of pictures or of a .npz or .npy file. Its images are made to `fit`, where that is given.

    IDX files in DATA_DIR/NAME come first, then what was prepared in DATA_DIR/tfds; what is in
    neither is downloaded and prepared there.

    Raises `UsageError` for an unknown name; `DataError` for data that are missing (with the ways
    out) or broken, and for a data folder that was named but does not exist;
    `MissingDependencyError` and `WriteError` while a set is prepared.
    """
    if user_files.is_path(name):
        path = Path(name).expanduser().absolute()
        files = user_files.sources(path)
        return _dataset(
            name, decoded(f"{path.name} {fit or ''}", path, files, lambda: user_files.read(path, files, fit))
        )
    data = _named(name, data_dir, download)
    if fit is None or (fit.channels or data.image_shape[0], fit.height, fit.width) == data.image_shape:
        return data
    splits = [
        replace(split, images=user_files.refitted(split.images, fit)) for split in (data.train, data.test)
    ]
    arrays = (splits[0].images, splits[0].labels, splits[1].images, splits[1].labels)
    return _dataset(name, Decoded(arrays, data.classes, content_sha256(arrays)))


def _named(name: str, data_dir: Path | None, download: bool) -> Dataset:
    if name == "digits":
        return _dataset(name, digits.load())
    if name in IDX_SETS:
        folder, known = _existing_folder(data_dir), IDX_SETS[name]
        if paths := find(folder / name, known):
            return _dataset(
                name, decoded(name, folder / name, paths, lambda: (read_set(paths, known), known.classes))
            )
        return _load_tfds(name, f"kae_idx/{name}", folder, download)
    if match := re.fullmatch(r"tfds:(\w+(?:/\w[\w.\-]*)?)(:[\w.*]+)?", name):
        return _load_tfds(name, match[1], _existing_folder(data_dir), download)
    hint = did_you_mean(name.lower(), [*IDX_SETS, "digits"])
    if Path(name).exists():
        hint = f"; there is a {'folder' if Path(name).is_dir() else 'file'} of that name: give ./{name}"
    raise UsageError(
        f"unknown dataset {name!r}{hint}\n"
        f"There are {', '.join(IDX_SETS)}, digits, {OTHER_NAMES}, and paths of your own."
    )


def data_folder(data_dir: Path | None) -> Path:
    """Where data are looked for and prepared: `data_dir`, else KAE_DATA_DIR, else `data` in the
    user's cache folder.
    """
    return Path(data_dir or os.environ.get("KAE_DATA_DIR") or cache_folder() / "data").expanduser()


def available(data_dir: Path | None = None) -> list[Available]:
    """Every dataset and where it is found: what `kae data list` prints. Raises `DataError` for a
    named folder that does not exist.
    """
    folder = _existing_folder(data_dir)
    found = []
    for name, known in IDX_SETS.items():
        (train, height, width), (test, _, _) = known.files[0].shape, known.files[2].shape
        description = (
            f"{known.title}, {train:,} + {test:,} images of {height} x {width}, {len(known.classes)} classes"
        )
        found.append(Available(name, description, _where(name, folder)))
    found.append(
        Available(
            "digits",
            "handwritten digits, 1,437 + 360 images of 28 x 28 (enlarged from 8 x 8), 10 classes",
            "embedded",
        )
    )
    others = sorted(
        {path.relative_to(folder / "tfds").parts[0] for path in (folder / "tfds").rglob(PREPARED)}
        - {"kae_idx"}
    )
    where = (
        f"prepared in {folder / 'tfds'}: {', '.join(others)}"
        if others
        else "not here: kae data get tfds:NAME"
    )
    found.append(Available("tfds:NAME", "any image dataset of TensorFlow Datasets", where))
    found.append(
        Available(
            "PATH",
            "a folder of pictures (png, jpg; sub-folders are classes), a .npz or .npy file",
            "given by you",
        )
    )
    return found


def _where(name: str, folder: Path) -> str:
    try:
        if find(folder / name, IDX_SETS[name]):
            return f"IDX files in {folder / name}"
    except DataError as error:
        return str(error).splitlines()[0]
    prepared = folder / "tfds" / "kae_idx" / name
    return f"prepared in {prepared}" if any(prepared.glob(PREPARED)) else f"not here: kae data get {name}"


def _existing_folder(data_dir: Path | None) -> Path:
    """The data folder; the default one need not exist yet, a named one must. Raises `DataError`."""
    folder = data_folder(data_dir)
    named = "--data-dir" if data_dir else "KAE_DATA_DIR" if os.environ.get("KAE_DATA_DIR") else None
    if named and not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(
            f"the data folder {folder} (from {named}) {fault}.\n"
            "Create it, or name the folder that holds the data."
        )
    return folder


def _load_tfds(name: str, below: str, folder: Path, download: bool) -> Dataset:
    """A set that TFDS keeps in folder/tfds/below. Found in the cache it needs no import of TFDS."""
    root = folder / "tfds" / below
    if cached := from_cache(name, root, _files(root)):
        return _dataset(name, cached)
    from . import tfds

    builder = tfds.builder(name, folder / "tfds")
    if not tfds.is_prepared(builder):
        if not download:
            raise DataError(_ways_out(f"{name} is not in {folder}.", name, folder))
        print(f"fetching {name} into {folder / 'tfds'}", file=sys.stderr)
        try:
            tfds.prepare(builder)
        except DataError as error:
            raise DataError(
                _ways_out(f"{name} is not in {folder} and could not be fetched:\n{error}", name, folder)
            ) from error
    return _dataset(name, decoded(name, root, _files(root), lambda: tfds.read(builder)))


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _ways_out(fault: str, name: str, folder: Path) -> str:
    known = IDX_SETS.get(name)
    files = (
        f"- put {', '.join(file.name for file in known.files)} (plain or .gz) into {folder / name}/\n"
        if known
        else ""
    )
    return (
        f"{fault}\nWays out:\n{files}"
        f"- `kae data get {name} --data-dir DIR` on a machine with network, copy DIR here and use it with "
        "`--data-dir`\n"
        "- `--dataset digits` needs no download"
    )


def _dataset(name: str, found: Decoded) -> Dataset:
    for array in found.arrays:
        if array is not None:
            array.flags.writeable = False
    train_images, train_labels, test_images, test_labels = found.arrays
    return Dataset(
        name, Split(train_images, train_labels), Split(test_images, test_labels), found.classes, found.sha256
    )
