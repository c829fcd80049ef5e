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
from .cache import Decoded, decoded, from_cache
from .dataset import Dataset, Split, of_decoded
from .fitting import fitted_dataset
from .idx import IDX_SETS, find, read_set
from .reading import NOTHING, Fit, Reading, say_unused

__all__ = ["SOURCES", "Dataset", "Origin", "Split", "data_folder", "load"]

TFDS_NAME = r"tfds:(\w+(?:/\w[\w.\-]*)?)(:[\w.*]+)?"
# TFDS gives a folder the name of its version once it is whole
PREPARED = "[0-9]*.[0-9]*.[0-9]*/dataset_info.json"


@dataclass(frozen=True)
class Origin:
    """Where a dataset comes from beside its name: the data folder, whether to download, and the
    path of the images that are to come out.
    """

    data_dir: Path | None = None
    download: bool = True
    target: Path | None = None


@dataclass(frozen=True)
class NamedSource:
    """A kind of dataset: the names it serves, and how one is read."""

    name: str
    serves: Callable[[str], bool]
    read: Callable[[str, Origin, Reading], Decoded]
    resizes: bool = False  # `read` applies the reading itself


def load(
    name: str | os.PathLike[str],
    data_dir: Path | None = None,
    *,
    download: bool = True,
    fit: Fit | None = None,
    reading: Reading | None = None,
    target: Path | None = None,
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
        target: the path of the images that are to come out, for images of one's own: pictures of
            the same names, or as many images of an array.

    Raises:
        UsageError: There is no dataset of that name, or it takes no targets.
        DataError: Data are missing, with the ways out, or damaged.
        MissingDependencyError, WriteError: It cannot be prepared.

    Examples:
        >>> print(load("digits"))
        1,437 train, 360 test, 10 classes, 1 x 28 x 28
    """
    name, reading = os.fspath(name), reading or Reading(fit)
    for source in SOURCES:
        if source.serves(name):
            if target and not source.resizes:
                raise UsageError(f"target is for images of your own, given by their path; {name} has none")
            content = source.read(name, Origin(data_dir, download, target), reading)
            data = of_decoded(name, content)
            if source.resizes:
                return data
            say_unused(reading, name, NOTHING)
            return fitted_dataset(data, reading)
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
    there, title = user_files.find(path), f"{path.name} {reading}"
    if origin.target:
        target = origin.target.expanduser().absolute()
        there, title = there.with_targets(user_files.find(target)), f"{title} to {target}"
    there.say_unused(path.name, reading)

    def read() -> Any:
        content = there.read(reading)
        return content.arrays, content.classes, content.note, content.validation, content.depth

    files = [*there.files, *there.named()]
    content = decoded(title, path, files, read)._replace(paired=origin.target is not None)
    note = f"; {content.note}" if content.note else ""
    say(f"kae: {path.name}: {of_decoded(name, content)}{note}")
    return content


def _digits(name: str, origin: Origin, reading: Reading) -> Decoded:
    return digits.load()


def _published(name: str, origin: Origin, reading: Reading) -> Decoded:
    folder, known = existing_folder(origin.data_dir), IDX_SETS[name]
    if paths := find(folder / name, known):
        return decoded(name, folder / name, paths, lambda: (read_set(paths, known), known.classes))
    return _tfds(name, f"kae_idx/{name}", folder, origin.download)


def _any_tfds(name: str, origin: Origin, reading: Reading) -> Decoded:
    match = re.fullmatch(TFDS_NAME, name)
    assert match
    return _tfds(name, match[1], existing_folder(origin.data_dir), origin.download)


SOURCES = [
    NamedSource("own files", user_files.is_path, _own, resizes=True),
    NamedSource("digits", lambda name: name == "digits", _digits),
    NamedSource("published IDX files", lambda name: name in IDX_SETS, _published),
    NamedSource("TensorFlow Datasets", lambda name: bool(re.fullmatch(TFDS_NAME, name)), _any_tfds),
]


def data_folder(data_dir: Path | None) -> Path:
    """Where data are looked for and prepared: `data_dir`, else KAE_DATA_DIR, else `data` in the
    user's cache folder.
    """
    return Path(data_dir or os.environ.get("KAE_DATA_DIR") or cache_folder() / "data").expanduser()


def existing_folder(data_dir: Path | None) -> Path:
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
