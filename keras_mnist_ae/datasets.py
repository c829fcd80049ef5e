"""Named image sets as arrays: IDX files, TensorFlow Datasets, and the handwritten digits inside scikit-learn, behind `load`."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, UsageError, WriteError
from .files import replacing, write_text
from .idx import IDX_SETS, Arrays, find, read_set

CACHE_FORMAT = 1  # one higher whenever the same source is to give other arrays
PARTS = ("train_images", "train_labels", "test_images", "test_labels")
PREPARED = "[0-9]*.[0-9]*.[0-9]*/dataset_info.json"  # TFDS gives a folder the name of its version once it is whole
DIGITS_TRAIN = 1437  # of 1,797: the set is ordered by writer, so that the rest comes mostly from other hands
OTHER_NAMES = "tfds:NAME (any image dataset of TensorFlow Datasets)"


@dataclass(frozen=True)
class Split:
    """Images uint8 of shape (n, H, W, C), labels int64 of shape (n,) or None where there are none. Read-only, often memory-mapped."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None


@dataclass(frozen=True)
class Dataset:
    """Two splits and the names of the classes, () without labels.

    `sha256` identifies the content wherever it came from: it is taken over the bytes of train images, train labels, test images, test
    labels (as little-endian int64).
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


def load(name: str, data_dir: Path | None = None, *, download: bool = True) -> Dataset:
    """The image set `name`: mnist, fashion_mnist, kmnist, digits or tfds:NAME.

    IDX files in DATA_DIR/NAME come first, then what was prepared in DATA_DIR/tfds; what is in neither is downloaded and prepared there.

    Raises `UsageError` for an unknown name; `DataError` for data that are missing (with the ways out) or broken, and for a data folder that
    was named but does not exist; `MissingDependencyError` and `WriteError` while a set is prepared.
    """
    if name == "digits":
        return _digits()
    if name in IDX_SETS:
        folder, known = _existing_folder(data_dir), IDX_SETS[name]
        if paths := find(folder / name, known):
            return _cached(name, folder / name, paths, lambda: (read_set(paths, known), known.classes))
        return _load_tfds(name, f"kae_idx/{name}", folder, download)
    if match := re.fullmatch(r"tfds:(\w+(?:/\w[\w.\-]*)?)(:[\w.*]+)?", name):
        return _load_tfds(name, match[1], _existing_folder(data_dir), download)
    near = get_close_matches(name.lower(), [*IDX_SETS, "digits"], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"unknown dataset {name!r}.{hint}\nThere are {', '.join(IDX_SETS)}, digits and {OTHER_NAMES}.")


def data_folder(data_dir: Path | None) -> Path:
    """Where data are looked for and prepared: `data_dir`, else KAE_DATA_DIR, else `data` in the user's cache folder."""
    return Path(data_dir or os.environ.get("KAE_DATA_DIR") or _cache_folder() / "data").expanduser()


def available(data_dir: Path | None = None) -> list[Available]:
    """Every dataset and where it is found: what `kae data list` prints. Raises `DataError` for a named folder that does not exist."""
    folder = _existing_folder(data_dir)
    found = []
    for name, known in IDX_SETS.items():
        (train, height, width), (test, _, _) = known.files[0].shape, known.files[2].shape
        description = f"{known.title}, {train:,} + {test:,} images of {height} x {width}, {len(known.classes)} classes"
        found.append(Available(name, description, _where(name, folder)))
    found.append(Available("digits", "handwritten digits, 1,437 + 360 images of 28 x 28 (enlarged from 8 x 8), 10 classes", "embedded"))
    others = sorted({path.relative_to(folder / "tfds").parts[0] for path in (folder / "tfds").rglob(PREPARED)} - {"kae_idx"})
    where = f"prepared in {folder / 'tfds'}: {', '.join(others)}" if others else "not here: kae data get tfds:NAME"
    found.append(Available("tfds:NAME", "any image dataset of TensorFlow Datasets", where))
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
        raise DataError(f"the data folder {folder} (from {named}) {fault}.\nCreate it, or name the folder that holds the data.")
    return folder


def _load_tfds(name: str, below: str, folder: Path, download: bool) -> Dataset:
    """A set that TFDS keeps in folder/tfds/below. Found in the cache it needs no import of TFDS."""
    root = folder / "tfds" / below
    if cached := _from_cache(name, root, _files(root)):
        return cached
    from . import tfds_builder

    builder = tfds_builder.builder(name, folder / "tfds")
    if not tfds_builder.is_prepared(builder):
        if not download:
            raise DataError(_ways_out(f"{name} is not in {folder}.", name, folder))
        try:
            tfds_builder.prepare(builder)
        except DataError as error:
            raise DataError(_ways_out(f"{name} is not in {folder} and could not be fetched:\n{error}", name, folder)) from error
    return _cached(name, root, _files(root), lambda: tfds_builder.read(builder))


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _ways_out(fault: str, name: str, folder: Path) -> str:
    known = IDX_SETS.get(name)
    files = f"- put {', '.join(file.name for file in known.files)} (plain or .gz) into {folder / name}/\n" if known else ""
    return (
        f"{fault}\nWays out:\n{files}"
        f"- `kae data get {name} --data-dir DIR` on a machine with network, copy DIR here and use it with `--data-dir`\n"
        "- `--dataset digits` needs no download"
    )


def _digits() -> Dataset:
    from skimage.transform import resize
    from sklearn.datasets import load_digits

    digits = load_digits()
    enlarged = np.stack([resize(image / 16, (28, 28), order=3) for image in digits.images])  # resize clips the overshoot of cubic splines
    images = np.rint(enlarged * 255).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    arrays = images[:DIGITS_TRAIN], labels[:DIGITS_TRAIN], images[DIGITS_TRAIN:], labels[DIGITS_TRAIN:]
    return _dataset("digits", arrays, tuple("0123456789"), _sha256(arrays))


def _dataset(name: str, arrays: Arrays, classes: tuple[str, ...], sha256: str) -> Dataset:
    for array in arrays:
        if array is not None:
            array.flags.writeable = False
    train_images, train_labels, test_images, test_labels = arrays
    return Dataset(name, Split(train_images, train_labels), Split(test_images, test_labels), classes, sha256)


def _sha256(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "keras_mnist_ae"


def _cached(name: str, origin: Path, sources: list[Path], decode: Callable[[], tuple[Arrays, tuple[str, ...]]]) -> Dataset:
    """The dataset out of the cache of decoded arrays; decoded and put there when `sources` are new or have changed."""
    if cached := _from_cache(name, origin, sources):
        return cached
    stamp = _stamp(sources)  # of before the reading: a file that changes meanwhile is read again the next time
    arrays, classes = decode()
    sha256 = _sha256(arrays)
    with suppress(OSError, WriteError):  # a cache that cannot be written is done without
        _to_cache(_entry(name, origin), arrays, {"sources": stamp, "classes": classes, "sha256": sha256})
    return _dataset(name, arrays, classes, sha256)


def _entry(name: str, origin: Path) -> Path:
    """Folder of one cached dataset: what comes of a changed source takes the place of the old arrays."""
    key = hashlib.sha256(f"{CACHE_FORMAT} {name} {origin.resolve()}".encode()).hexdigest()
    return _cache_folder() / "arrays" / f"{re.sub(r'[^a-z0-9_]+', '-', name)}-{key[:16]}"


def _stamp(sources: list[Path]) -> list[list[Any]]:
    """Resolved path, bytes and time of change in ns of each source."""
    return [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in sources]


def _to_cache(entry: Path, arrays: Arrays, meta: dict[str, Any]) -> None:
    """Raises `WriteError` or OSError. The meta file goes first and comes last: arrays without it count for nothing."""
    (entry / "meta.json").unlink(missing_ok=True)
    shapes = {}
    for part, array in zip(PARTS, arrays, strict=True):
        if array is not None:
            shapes[part] = [str(array.dtype), *array.shape]
            with replacing(entry / f"{part}.npy") as temporary:
                np.save(temporary, array, allow_pickle=False)
    write_text(entry / "meta.json", json.dumps({**meta, "arrays": shapes}))


def _from_cache(name: str, origin: Path, sources: list[Path]) -> Dataset | None:
    """None when there is no entry made of just these sources, or when anything is wrong with it."""
    entry = _entry(name, origin)
    with suppress(Exception):  # whatever is wrong with a cache, the source is still there
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        if sources and meta["sources"] == _stamp(sources):
            train_images, train_labels, test_images, test_labels = (_mapped(entry, part, meta["arrays"]) for part in PARTS)
            return _dataset(name, (train_images, train_labels, test_images, test_labels), tuple(meta["classes"]), meta["sha256"])
    return None


def _mapped(entry: Path, part: str, shapes: dict[str, list[Any]]) -> Any:
    """The array in a cache file, memory-mapped; None where there is none. Raises ValueError or OSError."""
    if part not in shapes:
        return None
    array = np.load(entry / f"{part}.npy", mmap_mode="r", allow_pickle=False)
    if [str(array.dtype), *array.shape] != shapes[part]:
        raise ValueError(f"{part} holds {array.dtype} {array.shape}")
    return array
