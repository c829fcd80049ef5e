"""Images of one's own: which kind of file or folder a path is, and its reading."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from ..system.hints import counted
from . import arrays, folders, idx_files, pictures, shards, tables
from .assembly import Content, Source, assemble
from .opening import pillow_unheard
from .pairs import paired
from .reading import OF_ARRAYS, Reading, say_unused
from .splits import splits_of


class Kind(NamedTuple):
    """A kind of own data: the suffixes of its files, words for `kae data list`, its reader, and
    the options of a reading that it has a use for.
    """

    suffixes: frozenset[str]
    words: str
    source: Callable[[list[Path], Reading], Source]
    uses: frozenset[str] = frozenset(["value_range"])


FILES = (
    Kind(
        frozenset([".npy", ".npz"]),
        "a .npy or .npz file of images",
        lambda files, reading: arrays.source(files[0], reading),
        OF_ARRAYS | {"arrays"},
    ),
    Kind(
        frozenset([".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet"]),
        "a CSV or Parquet file with pixels in columns, or with pictures in one",
        tables.source,
        OF_ARRAYS,
    ),
    Kind(frozenset([".tar", ".tar.gz", ".tgz"]), "tar shards of pictures (WebDataset)", shards.source),
    Kind(
        frozenset([".tif", ".tiff"]),
        "a TIFF file of several pages",
        lambda files, reading: pictures.stack(files[0], reading),
    ),
)
SUFFIXES = frozenset[str]().union(*(kind.suffixes for kind in FILES))


def suffix_of(path: str | Path) -> str:
    """The suffix of a file in small letters; of a compressed file both, as in .csv.gz."""
    suffixes = Path(path).suffixes
    return "".join(suffixes[-2:] if Path(path).suffix.lower() == ".gz" else suffixes[-1:]).lower()


def is_path(name: str) -> bool:
    """Whether a dataset's name is that of a folder or file: it has a separator, a drive letter, or
    a suffix that is read here.
    """
    if name.startswith("tfds:"):
        return False
    drive = len(name) > 2 and name[1] == ":" and name[2] in "\\/"
    return "/" in name or drive or name in (".", "..") or suffix_of(name) in SUFFIXES


class Files(NamedTuple):
    """The files that images come from, and what makes a source of them."""

    files: list[Path]
    source: Callable[[Reading], Source]
    named: Callable[[], list[Path]] = list  # other files that these name
    uses: frozenset[str] = frozenset(["value_range"])  # of the fields of a reading

    def say_unused(self, name: str, reading: Reading) -> None:
        """Say which options of a reading these files have no use for."""
        uses = self.uses - {"arrays"} if suffix_of(self.files[0]) == ".npy" else self.uses
        say_unused(reading, name, uses)

    def read(self, reading: Reading) -> Content:
        """The images as a dataset. Raises `DataError`."""
        with pillow_unheard():
            return assemble(self.source(reading))

    def with_targets(self, targets: "Files") -> "Files":
        """The same images with those that are to come out behind their channels: see `paired`."""
        return Files(
            [*self.files, *targets.files],
            lambda reading: paired(self.source(reading), targets.source(reading)),
            lambda: [*self.named(), *targets.named()],
            self.uses | targets.uses,
        )


def find(path: Path) -> Files:
    """What lies at a path. Raises `DataError` when that is no data."""
    if path.is_file():
        for kind in FILES:
            if suffix_of(path) in kind.suffixes:
                return _of_kind(kind, [path], partial(kind.source, [path]))
        known = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{path} is no folder of pictures, and no file of a known kind ({known}).")
    if not path.is_dir():
        raise DataError(
            f"there is no folder or file {path}.\n"
            "Name a folder of pictures, a file, or a dataset (kae data list)."
        )
    tree = folders.walk(path)
    for suffixes, kind in (([".parquet"], FILES[1]), ([".tar", ".tar.gz", ".tgz"], FILES[2])):
        files = [file for file in tree.tables if suffix_of(file) in suffixes]
        if len(files) > len(tree.files):
            return _of_kind(kind, files, partial(_beside, partial(kind.source, files), len(tree.files)))
    if pairs := idx_files.pairs(path):
        return Files(
            [file for pair in pairs.values() for file in pair], partial(idx_files.source, path, pairs)
        )
    if not tree.files:
        files = [file for file in tree.tables if suffix_of(file) in (".csv", ".tsv")]
        named = splits_of([file.name.partition(".")[0] for file in files], some=True)
        if chosen := files if len(files) == 1 else [f for f in files if f.name.partition(".")[0] in named]:
            return _of_kind(FILES[1], chosen, partial(FILES[1].source, chosen))
    folders.require(tree)
    return Files(tree.files, partial(pictures.source, path, tree))


def _of_kind(kind: Kind, files: list[Path], source: Callable[[Reading], Source]) -> Files:
    return Files(files, source, partial(tables.named, files) if kind is FILES[1] else list, kind.uses)


def _beside(source: Callable[[Reading], Source], pictures: int, reading: Reading) -> Source:
    found = source(reading)
    if pictures:
        found.notes.append(f"left out {counted(pictures, 'picture')} beside the tables")
    return found


def picture(path: Path) -> Files:
    """A single picture. Raises `DataError` when its suffix is none of a picture."""
    if path.suffix.lower() not in folders.PICTURES:
        known = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{path} is no picture, and no file of a known kind ({known}).")
    return Files([path], partial(pictures.source, path.parent, folders.Tree(path.parent, [path])))
