"""Images of one's own: which kind of file or folder a path is, and its reading."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from . import arrays, folders, idx_files, pictures, shards, tables
from .assembly import Content, Source, assemble
from .reading import Reading
from .resize import many_pixels_allowed


class Kind(NamedTuple):
    """A kind of own data: the suffixes of its files, words for `kae data list`, and its reader."""

    suffixes: frozenset[str]
    words: str
    source: Callable[[list[Path], Reading], Source]


FILES = (
    Kind(
        frozenset([".npy", ".npz"]),
        "a .npy or .npz file of images",
        lambda files, reading: arrays.source(files[0], reading),
    ),
    Kind(
        frozenset([".csv", ".tsv", ".parquet"]),
        "a CSV or Parquet file with pixels in columns, or with pictures in one",
        tables.source,
    ),
    Kind(frozenset([".tar"]), "tar shards of pictures (WebDataset)", shards.source),
    Kind(
        frozenset([".tif", ".tiff"]),
        "a TIFF file of several pages",
        lambda files, reading: pictures.stack(files[0], reading),
    ),
)
SUFFIXES = frozenset[str]().union(*(kind.suffixes for kind in FILES))


def is_path(name: str) -> bool:
    """Whether a dataset's name is that of a folder or file: it has a separator, a drive letter, or
    a suffix that is read here.
    """
    if name.startswith("tfds:"):
        return False
    drive = len(name) > 2 and name[1] == ":" and name[2] in "\\/"
    return "/" in name or drive or name in (".", "..") or Path(name).suffix.lower() in SUFFIXES


class Files(NamedTuple):
    """The files that a dataset comes from, and what reads them."""

    files: list[Path]
    read: Callable[[Reading], Content]


def find(path: Path) -> Files:
    """What lies at a path. Raises `DataError` when that is no data."""
    if path.is_file():
        for kind in FILES:
            if path.suffix.lower() in kind.suffixes:
                return Files([path], _reader([path], kind))
        known = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{path} is no folder of pictures, and no file of a known kind ({known}).")
    if not path.is_dir():
        raise DataError(
            f"there is no folder or file {path}.\n"
            "Name a folder of pictures, a file, or a dataset (kae data list)."
        )
    for suffix, kind in ((".parquet", FILES[1]), (".tar", FILES[2])):
        if files := sorted(path.glob(f"*{suffix}")):
            return Files(files, _reader(files, kind))
    if pairs := idx_files.pairs(path):
        return Files([file for pair in pairs.values() for file in pair], _assembled_idx(path, pairs))
    tree = folders.walk(path)
    folders.require(tree)

    def read(reading: Reading) -> Content:
        with many_pixels_allowed():
            return assemble(pictures.source(path, tree, reading))

    return Files(tree.files, read)


def _reader(files: list[Path], kind: Kind) -> Callable[[Reading], Content]:
    def read(reading: Reading) -> Content:
        with many_pixels_allowed():
            return assemble(kind.source(files, reading))

    return read


def _assembled_idx(path: Path, pairs: idx_files.Pairs) -> Callable[[Reading], Content]:
    return lambda reading: assemble(idx_files.source(path, pairs, reading))
