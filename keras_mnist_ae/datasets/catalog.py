"""Image sets by name, behind `load`: one table of sources.

A source is a row of `SOURCES`. The first one that serves a name reads it.
"""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError
from ..system.hints import did_you_mean
from ..system.notes import say
from ..system.user_cache import cache_folder
from . import digits, user_files
from .cache import Decoded, content_sha256, decoded, from_cache
from .dataset import Dataset, Split, of_decoded
from .idx import IDX_SETS, find, read_set
from .mapped import filled
from .reading import Fit, Reading
from .resize import fitted_array

__all__ = ["SOURCES", "Available", "Dataset", "Origin", "Split", "available", "data_folder", "load"]

TFDS_NAME = r"tfds:(\w+(?:/\w[\w.\-]*)?)(:[\w.*]+)?"
# TFDS gives a folder the name of its version once it is whole
PREPARED = "[0-9]*.[0-9]*.[0-9]*/dataset_info.json"


@dataclass(frozen=True)
class Origin:
    """Where a dataset comes from beside its name: the data folder, and whether to download."""

    data_dir: Path | None = None
    download: bool = True


@dataclass(frozen=True)
class NamedSource:
    """A kind of dataset: the names it serves, and how one is read."""

    name: str
    serves: Callable[[str], bool]
    read: Callable[[str, Origin, Reading], Decoded]
    resizes: bool = False  # `read` applies the reading itself


@dataclass(frozen=True)
class Available:
    """A line of `kae data list`."""

    name: str
    description: str
    where: str


def load(
    name: str | os.PathLike[str],
    data_dir: Path | None = None,
    *,
    download: bool = True,
    fit: Fit | None = None,
    reading: Reading | None = None,
) -> Dataset:
    """The image set of a name or at a path.

    IDX files in DATA_DIR/NAME come first, then what was prepared in DATA_DIR/tfds; what is in
    neither is downloaded and prepared there. What is read at a path is said on stderr.

    Args:
        name: mnist, fashion_mnist, kmnist, digits, tfds:NAME, or the path of a folder of pictures
            or of a file: see `kae data list`.
        data_dir: the data folder; None takes KAE_DATA_DIR, else `data` in the user's cache folder.
        download: whether to fetch what is not there.
        fit: the size that the images are resized to.
        reading: size, range and layout of the images; replaces `fit`.

    Raises:
        UsageError: There is no dataset of that name.
        DataError: Data are missing, with the ways out, or damaged.
        MissingDependencyError, WriteError: It cannot be prepared.

    Examples:
        >>> print(load("digits"))
        1,437 train, 360 test, 10 classes, 1 x 28 x 28
    """
    name, reading = os.fspath(name), reading or Reading(fit)
    for source in SOURCES:
        if source.serves(name):
            content = source.read(name, Origin(data_dir, download), reading)
            data = of_decoded(name, content)
            return data if source.resizes else _resized(data, reading)
    hint = did_you_mean(name.lower(), [*IDX_SETS, "digits"])
    if Path(name).exists():
        hint = f"; there is a {'folder' if Path(name).is_dir() else 'file'} of that name: give ./{name}"
    raise UsageError(
        f"unknown dataset {name!r}{hint}\n"
        f"There are {', '.join(IDX_SETS)}, digits, tfds:NAME (any image dataset of TensorFlow "
        "Datasets), and paths of your own."
    )


def _own(name: str, origin: Origin, reading: Reading) -> Decoded:
    path = Path(name).expanduser().absolute()
    there = user_files.find(path)

    def read() -> Any:
        content = there.read(reading)
        return content.arrays, content.classes, content.note, content.validation

    content = decoded(f"{path.name} {reading}", path, there.files, read)
    note = f"; {content.note}" if content.note else ""
    say(f"kae: {path.name}: {of_decoded(name, content)}{note}")
    return content


def _digits(name: str, origin: Origin, reading: Reading) -> Decoded:
    return digits.load()


def _published(name: str, origin: Origin, reading: Reading) -> Decoded:
    folder, known = _existing_folder(origin.data_dir), IDX_SETS[name]
    if paths := find(folder / name, known):
        return decoded(name, folder / name, paths, lambda: (read_set(paths, known), known.classes))
    return _tfds(name, f"kae_idx/{name}", folder, origin.download)


def _any_tfds(name: str, origin: Origin, reading: Reading) -> Decoded:
    match = re.fullmatch(TFDS_NAME, name)
    assert match
    return _tfds(name, match[1], _existing_folder(origin.data_dir), origin.download)


SOURCES = [
    NamedSource("own files", user_files.is_path, _own, resizes=True),
    NamedSource("digits", lambda name: name == "digits", _digits),
    NamedSource("published IDX files", lambda name: name in IDX_SETS, _published),
    NamedSource("TensorFlow Datasets", lambda name: bool(re.fullmatch(TFDS_NAME, name)), _any_tfds),
]


def _resized(data: Dataset, reading: Reading) -> Dataset:
    size, channels = reading.size, data.image_shape[0]
    wanted = (size.channels or channels, size.height, size.width) if size else data.image_shape
    if wanted == data.image_shape and not reading.invert:
        return data

    def image(pixels: Any) -> Any:
        pixels = 255 - pixels if reading.invert else pixels
        return fitted_array(pixels, size, reading.mode) if size else pixels

    shape = (*wanted[1:], wanted[0])
    splits = [filled((len(s.images), *shape), map(image, s.images)) for s in (data.train, data.test)]
    arrays = (splits[0], data.train.labels, splits[1], data.test.labels)
    return of_decoded(data.name, Decoded(arrays, data.classes, content_sha256(arrays)))


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
    rows = []
    for name, known in IDX_SETS.items():
        (train, height, width), (test, _, _) = known.files[0].shape, known.files[2].shape
        sizes = f"{train:,} + {test:,} images of {height} x {width}, {len(known.classes)} classes"
        rows.append(Available(name, f"{known.title}, {sizes}", _where(name, folder)))
    words = "handwritten digits, 1,437 + 360 images of 28 x 28 (enlarged from 8 x 8), 10 classes"
    rows.append(Available("digits", words, "embedded"))
    prepared = (folder / "tfds").rglob(PREPARED)
    others = {path.relative_to(folder / "tfds").parts[0] for path in prepared} - {"kae_idx"}
    where = f"prepared in {folder / 'tfds'}: {', '.join(sorted(others))}"
    if not others:
        where = "not here: kae data get tfds:NAME"
    rows.append(Available("tfds:NAME", "any image dataset of TensorFlow Datasets", where))
    kinds = "; ".join(kind.words for kind in user_files.FILES)
    words = f"a folder of pictures (sub-folders are splits and classes); {kinds}"
    rows.append(Available("PATH", words, "given by you"))
    return rows


def _where(name: str, folder: Path) -> str:
    try:
        if find(folder / name, IDX_SETS[name]):
            return f"IDX files in {folder / name}"
    except DataError as error:
        return str(error).splitlines()[0]
    prepared = folder / "tfds" / "kae_idx" / name
    there = any(prepared.glob(PREPARED))
    return f"prepared in {prepared}" if there else f"not here: kae data get {name}"


def _existing_folder(data_dir: Path | None) -> Path:
    """The data folder; the default one need not exist yet, a named one must. Raises `DataError`."""
    folder = data_folder(data_dir)
    named = "--data-dir" if data_dir else "KAE_DATA_DIR" if os.environ.get("KAE_DATA_DIR") else None
    if named and not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(
            f"the data folder {folder} (from {named}) {state}.\n"
            "Create it, or name the folder that holds the data."
        )
    return folder


def _tfds(name: str, below: str, folder: Path, download: bool) -> Decoded:
    """A set that TFDS keeps in folder/tfds/below. Found in the cache it needs no import of TFDS."""
    root = folder / "tfds" / below
    if cached := from_cache(name, root, _files(root)):
        return cached
    from . import tfds

    builder = tfds.builder(name, folder / "tfds")
    if not tfds.is_prepared(builder):
        if not download:
            raise DataError(_ways_out(f"{name} is not in {folder}.", name, folder))
        print(f"fetching {name} into {folder / 'tfds'}", file=sys.stderr)
        try:
            tfds.prepare(builder)
        except DataError as error:
            reason = f"{name} is not in {folder} and could not be fetched:\n{error}"
            raise DataError(_ways_out(reason, name, folder)) from error
    return decoded(name, root, _files(root), lambda: tfds.read(builder))


def _files(root: Path) -> list[Path]:
    return sorted(filter(Path.is_file, root.rglob("*")))


def _ways_out(reason: str, name: str, folder: Path) -> str:
    known = IDX_SETS.get(name)
    names = ", ".join(file.name for file in known.files) if known else ""
    files = f"- put {names} (plain or .gz) into {folder / name}/\n" if known else ""
    return (
        f"{reason}\nWays out:\n{files}"
        f"- `kae data get {name} --data-dir DIR` on a machine with network, copy DIR here and use it "
        "with `--data-dir`\n"
        "- `--dataset digits` needs no download"
    )
