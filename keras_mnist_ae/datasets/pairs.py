"""Pairs of images from two sources: what goes into an autoencoder, and what is to come out."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ..errors import DataError
from .assembly import Image, Part, Source, some


def paired(source: Source, targets: Source) -> Source:
    """A source whose images hold a target's channels behind their own.

    Pictures belong together by their paths below the two folders, whatever their suffixes; images
    without names by their places.

    Raises:
        DataError: Nothing belongs together, or the sizes differ.
    """
    height, width, channels = source.shape
    if targets.shape[:2] != (height, width):
        raise DataError(
            f"the images of {source.name} are {height}x{width}, their targets in {targets.name} "
            f"{targets.shape[0]}x{targets.shape[1]}.\nFit them: --resize SIZE"
        )
    if channels != targets.shape[2] and 1 not in (channels, targets.shape[2]):
        raise DataError(
            f"the images of {source.name} have {channels} channels, their targets in {targets.name} "
            f"{targets.shape[2]}"
        )
    channels = max(channels, targets.shape[2])
    notes = list(source.notes)
    parts = {
        split: _pairs(part, wanted, channels)
        for split, (part, wanted) in _matched(source, targets, notes).items()
    }
    notes += [f"targets: {note}" for note in targets.notes]
    return replace(
        source,
        parts=parts,
        shape=(height, width, 2 * channels),
        notes=notes,
        finish=lambda: [*source.finish(), *targets.finish()],
        decoder=None,
    )


def _pairs(part: Part, wanted: Part, channels: int) -> Part:
    def decode(pair: tuple[Any, Any]) -> Image | None:
        image, target = part.decode(pair[0]), wanted.decode(pair[1])
        if image is None or target is None:
            return None
        return np.concatenate([_with(channels, image), _with(channels, target)], axis=-1)

    return replace(part, items=list(zip(part.items, wanted.items, strict=True)), decode=decode)


def _with(channels: int, image: Image) -> Image:
    """Grey as colours where the others are coloured."""
    return image if image.shape[-1] == channels else np.repeat(image[..., :1], channels, axis=-1)


def _matched(source: Source, targets: Source, notes: list[str]) -> dict[str, tuple[Part, Part]]:
    """The parts of the source beside what belongs to each, by split; notes on what has no
    counterpart.
    """
    if any(part.names is None for part in (*source.parts.values(), *targets.parts.values())):
        return _by_place(source, targets)
    found = {
        _key(name): item
        for part in targets.parts.values()
        for name, item in zip(part.names or (), part.items, strict=True)
    }
    decode = next(iter(targets.parts.values())).decode  # the same for all pictures of a source
    matched, alone, used = {}, list[str](), set[str]()
    for split, part in source.parts.items():
        names = part.names or ()
        at = [number for number, name in enumerate(names) if _key(name) in found]
        alone += [name for name in names if _key(name) not in found]
        used |= {_key(names[number]) for number in at}
        if not at:
            which = f"{split} picture" if split else "picture"
            raise DataError(
                f"no {which} of {source.name} has a target of its name in {targets.name}: "
                f"{some(names[:1])} in the one, {some(sorted(found)[:1])} in the other"
            )
        items = [found[_key(names[number])] for number in at]
        matched[split] = (_taken(part, at), Part(items, decode))
    if alone:
        notes.append(f"left out {len(alone)} without a target: {some(alone)}")
    if left := sorted(found.keys() - used):
        notes.append(f"{len(left)} targets without an image: {some(left)}")
    return matched


def _by_place(source: Source, targets: Source) -> dict[str, tuple[Part, Part]]:
    counts, wanted = (
        {split: len(part.items) for split, part in each.parts.items()} for each in (source, targets)
    )
    if counts != wanted:
        raise DataError(f"{source.name} has {_told(counts)}, but {targets.name} has {_told(wanted)}")
    return {split: (part, targets.parts[split]) for split, part in source.parts.items()}


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {split or 'images'}" for split, count in counts.items())


def _taken(part: Part, at: list[int]) -> Part:
    labels = None if part.labels is None else np.asarray(part.labels)[at]
    splits = None if part.splits is None else [part.splits[number] for number in at]
    return replace(part.take(np.array(at), labels), splits=splits)


def _key(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
