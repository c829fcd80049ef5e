"""Splits and classes of pictures by the names of their folders."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ..system.hints import counted
from .assembly import some
from .folders import Tree
from .splits import are_splits, split_of, splits_of, splits_with_classes

AROUND = ("images", "imgs", "pictures", "photos", "data")  # folders that are no class

Parts = tuple[str, ...]  # of a path, the folders


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
    parts = _unwrapped([path.relative_to(tree.root).parts[:-1] for path in tree.files])
    tops = {part[0] for part in parts if part}
    if not splits_of(tops, some=True) and (both := splits_with_classes(tops)):
        parts = [(*both.get(part[0], part[:1]), *part[1:]) if part else () for part in parts]
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
    if level is None and (known := _some_splits(parts)):
        return _splits_beside_others(tree, parts, known, notes)
    if level is None:
        tops = {part[0] for part in parts if part}
        named = sorted(name for name in tops if split_of(name))
        notes += [f"{name} has the name of a split and is read as a class" for name in named]
        notes += _deeper(parts)
        placed = [("", part) for part in parts]
    else:
        known = splits_of({part[level] for part in parts})
        placed = [(known[part[level]], part[:level] + part[level + 1 :]) for part in parts]
    return Layout(_with_classes(tree.files, placed, notes), notes)


def _unwrapped(parts: list[Parts]) -> list[Parts]:
    """Without the folders around everything; a single class keeps its own."""
    while parts and len({part[:1] for part in parts}) == 1 and parts[0]:
        if len(set(parts)) == 1 and split_of(parts[0][0]) is None:
            break
        parts = [part[1:] for part in parts]
    return parts


def _with_classes(
    files: list[Path], placed: list[tuple[str, Parts]], notes: list[str]
) -> dict[str, list[tuple[Path, str | None]]]:
    """The files of each split with their classes: the first folder that is not around all of a
    split, as in train/train/cat or train/images/cat.
    """
    splits: dict[str, list[tuple[Path, Parts]]] = {}
    for path, (split, rest) in zip(files, placed, strict=True):
        splits.setdefault(split, []).append((path, rest))
    while "" not in splits and _are_around(splits):
        splits = {split: [(path, rest[1:]) for path, rest in entries] for split, entries in splits.items()}
    named = {
        split: _classes(split, [(path, _class(split, rest)) for path, rest in entries], notes)
        for split, entries in splits.items()
    }
    trained = {name for _, name in named.get("train", [])} - {None}
    tested = {name for split, entries in named.items() if split != "train" for _, name in entries} - {None}
    if trained and (only := sorted(str(name) for name in tested - trained)):
        notes.append(f"no training pictures of {some(only)}")
    return named


def _require_training(tree: Tree, names: set[str]) -> None:
    """Raise `DataError` for splits of which none is for training."""
    known = splits_of(names)
    splits = {known.get(name) or split_of(name) for name in names}
    if len(splits) > 1 and splits <= {"test", "validation"}:
        raise DataError(
            f"{tree.root} has the splits {some(sorted(names))}, of which none is for training.\n"
            "Name the folder of that: train; or give one of them as the dataset."
        )


def _some_splits(parts: list[Parts]) -> dict[str, str]:
    """The folders of splits that stand beside others; {} where there are none."""
    return splits_of({part[0] for part in parts if part}, some=True)


def _deeper(parts: list[Parts]) -> list[str]:
    """What is said of splits that lie beside other folders, or deeper than they are looked for."""
    deep = {part[:at] for part in parts for at in range(1, len(part)) if split_of(part[at]) == "train"}
    where = sorted("/".join(folders) for folders in deep)
    return [f"splits within {some(where)} are not used: give one as the dataset"] if where else []


def _class(split: str, rest: Parts) -> str | None:
    """The class that the folders name; below a split, such as images is none."""
    plain = split and len(rest) == 1 and rest[0].lower() in AROUND
    return None if plain or not rest else rest[0]


def _are_around(splits: dict[str, list[tuple[Path, Parts]]]) -> bool:
    """Whether the first folder of each split is around all of it, and is no class."""
    first = {rest[:1] for entries in splits.values() for _, rest in entries}
    deeper = any(len({rest for _, rest in entries}) > 1 for entries in splits.values())
    each = all(len({rest[:1] for _, rest in entries}) == 1 for entries in splits.values())
    names = {name.lower() for parts in first for name in parts}
    return () not in first and each and (deeper or all(split_of(name) or name in AROUND for name in names))


def _splits_beside_others(tree: Tree, parts: list[Parts], known: dict[str, str], notes: list[str]) -> Layout:
    files: list[Path] = []
    placed: list[tuple[str, Parts]] = []
    others: Counter[str] = Counter()
    for path, part in zip(tree.files, parts, strict=True):
        if part and (split := known.get(part[0])):
            files.append(path)
            placed.append((split, part[1:]))
        else:
            others[part[0] if part else "beside the folders"] += 1
    left = [f"{count} in {name}" for name, count in others.items()]
    notes.append(f"left out, outside the splits: {some(left)}")
    return Layout(_with_classes(files, placed, notes), notes)


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
