"""The files below a folder: which are pictures or tables, and what is left out."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ..system import signals
from .assembly import some
from .opening import is_picture

PICTURES = frozenset(
    [
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".dib",
        ".gif",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".j2k",
        ".avif",
        ".tga",
        ".dds",
        ".ico",
        ".pcx",
        ".qoi",
        ".sgi",
        ".pfm",
    ]
)
TABLES = (".parquet", ".csv", ".tsv", ".tar", ".tar.gz", ".tgz")
NOT_DATA = frozenset(["__MACOSX", "__pycache__", "node_modules", "site-packages"])
SYSTEM_FILES = frozenset(["Thumbs.db", "desktop.ini"])


@dataclass
class Tree:
    """The pictures below a folder, in a stable order, and how many files were left out and why."""

    root: Path
    files: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    tables: list[Path] = field(default_factory=list)  # and shards, which are left out as well
    empty: list[str] = field(default_factory=list)  # folders without pictures


def walk(folder: Path, suffixes: frozenset[str] = PICTURES) -> Tree:
    """Every file below a folder with one of the suffixes, in any case.

    Hidden files and folders, those of systems and tools, virtual environments and run folders are
    no data. Links to folders are followed, loops are not.
    """
    tree = Tree(folder)
    seen: set[tuple[int, int]] = set()

    def visit(place: Path) -> int | None:
        signals.check()
        about = place.stat()
        if (about.st_dev, about.st_ino) in seen:
            tree.left_out["a folder met before"] += 1
            return None
        seen.add((about.st_dev, about.st_ino))
        count = 0
        with os.scandir(place) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
        for entry in ordered:
            if entry.name.startswith(".") or entry.name in SYSTEM_FILES:
                tree.left_out["hidden"] += 1
            elif entry.is_dir():
                reason = _no_data(entry)
                if reason:
                    tree.left_out[reason] += 1
                    continue
                before = len(tree.empty)
                inside = visit(Path(entry.path))
                if inside == 0:
                    tree.empty[before:] = [Path(entry.path).relative_to(folder).as_posix()]
                count += inside or 0
            elif entry.is_symlink() and not Path(entry.path).exists():
                tree.left_out["links to nothing"] += 1
            elif _is_wanted(Path(entry.path), suffixes) and entry.is_file():
                tree.files.append(Path(entry.path))
                count += 1
            elif entry.name not in ("config.toml", "checksums.json"):
                if entry.name.lower().endswith(TABLES):
                    tree.tables.append(Path(entry.path))
                tree.left_out[f"not pictures ({Path(entry.name).suffix or 'without suffix'})"] += 1
        return count

    visit(folder)
    return tree


def _is_wanted(path: Path, suffixes: frozenset[str]) -> bool:
    """Whether a file has one of the suffixes, or none but the content of a picture."""
    if path.suffix or suffixes is not PICTURES:
        return path.suffix.lower() in suffixes
    return path.is_file() and is_picture(path)


def _no_data(entry: "os.DirEntry[str]") -> str | None:
    """Why a folder holds no data, or None."""
    if entry.name in NOT_DATA:
        return f"a folder {entry.name}"
    place = Path(entry.path)
    if (place / "pyvenv.cfg").exists():
        return "a virtual environment"
    files = ("checksums.json", "config.toml")
    if all((place / name).is_file() for name in files):
        return "a run folder"
    if (place / "latest").is_file():
        return "a folder of runs"
    return None


def require(tree: Tree) -> None:
    """Raise `DataError` for a folder without pictures."""
    if not tree.files:
        raise DataError(f"{tree.root} holds no pictures{_left_out(tree)}.")


def left_out(tree: Tree) -> Iterator[str]:
    """What is said of files that are no data."""
    if tree.left_out:
        total = sum(tree.left_out.values())
        yield f"left out {total}: " + ", ".join(
            f"{count} {reason}" for reason, count in tree.left_out.most_common()
        )
    if tree.empty:
        yield f"no pictures in: {some(tree.empty)}"


def _left_out(tree: Tree) -> str:
    told = "; ".join(left_out(tree))
    return f" ({told})" if told else ""
