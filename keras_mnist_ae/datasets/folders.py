"""A folder of pictures as a person reads it: which files are data, in which split and class."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ..system import signals
from ..system.hints import counted
from .assembly import some
from .resize import is_picture
from .splits import are_splits, split_of

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
TABLES = frozenset([".parquet"])
SHARDS = frozenset([".tar"])
NOT_DATA = frozenset(["__MACOSX", "__pycache__", "node_modules", "site-packages"])
SYSTEM_FILES = frozenset(["Thumbs.db", "desktop.ini"])


@dataclass
class Tree:
    """The pictures below a folder, in a stable order, and how many files were left out and why."""

    root: Path
    files: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
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


@dataclass
class Layout:
    """Where each picture belongs: its split ("" where none is named) and its class, or None."""

    splits: dict[str, list[tuple[Path, str | None]]]
    notes: list[str] = field(default_factory=list)


def layout(tree: Tree) -> Layout:
    """Splits and classes by the names of folders.

    `train/cat/1.png` and `cat/train/1.png` are read alike; a single folder around everything is
    looked through.
    """
    parts = [path.relative_to(tree.root).parts[:-1] for path in tree.files]
    while parts and all(part and part[0] == parts[0][0] for part in parts):
        if split_of(parts[0][0]) is None and len({part[:2] for part in parts}) == 1:
            break  # a single class
        parts = [part[1:] for part in parts]
    _require_training(tree, {part[0] if part else "" for part in parts})
    level = next(
        (
            at
            for at in (0, 1)
            if parts and all(len(part) > at for part in parts) and are_splits({part[at] for part in parts})
        ),
        None,
    )
    notes: list[str] = []
    if level is None and _has_splits(parts):
        return _splits_beside_others(tree, parts, notes)
    if level is None:
        tops = {part[0] for part in parts if part}
        named = sorted(name for name in tops if split_of(name))
        notes += [f"{name} has the name of a split and is read as a class" for name in named]
    splits: dict[str, list[tuple[Path, str | None]]] = {}
    for path, part in zip(tree.files, parts, strict=True):
        split = "" if level is None else str(split_of(part[level]))
        rest = part if level is None else part[:level] + part[level + 1 :]
        splits.setdefault(split, []).append((path, rest[0] if rest else None))
    return Layout({split: _classes(split, files, notes) for split, files in splits.items()}, notes)


def _require_training(tree: Tree, names: set[str]) -> None:
    """Raise `DataError` for splits of which none is for training."""
    splits = {split_of(name) for name in names}
    if len(splits) > 1 and splits <= {"test", "validation"}:
        raise DataError(
            f"{tree.root} has the splits {some(sorted(names))}, of which none is for training.\n"
            "Name the folder of that: train; or give one of them as the dataset."
        )


def _has_splits(parts: list[tuple[str, ...]]) -> bool:
    """Whether folders of splits stand beside others."""
    names = {part[0] for part in parts if part}
    return are_splits(name for name in names if split_of(name))


def _splits_beside_others(tree: Tree, parts: list[tuple[str, ...]], notes: list[str]) -> Layout:
    splits: dict[str, list[tuple[Path, str | None]]] = {}
    others: Counter[str] = Counter()
    for path, part in zip(tree.files, parts, strict=True):
        if part and (split := split_of(part[0])):
            splits.setdefault(split, []).append((path, part[1] if len(part) > 1 else None))
        else:
            others[part[0] if part else "beside the folders"] += 1
    left = [f"{count} in {name}" for name, count in others.items()]
    notes.append(f"left out, outside the splits: {some(left)}")
    return Layout({split: _classes(split, files, notes) for split, files in splits.items()}, notes)


def _classes(
    split: str, files: list[tuple[Path, str | None]], notes: list[str]
) -> list[tuple[Path, str | None]]:
    """The files with their classes, or without any where some have none."""
    without = sum(name is None for _, name in files)
    if 0 < without < len(files):
        where = f" of {split}" if split else ""
        notes.append(f"beside the class folders: {counted(without, 'picture')}{where}; no labels are used")
    if without:
        return [(path, None) for path, _ in files]
    return files


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
