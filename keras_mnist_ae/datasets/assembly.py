"""From the images of a source to the arrays of a dataset: splits, labels, notes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..system import signals
from ..system.progress import Advance, phase
from .idx import Arrays
from .labels import Labels, numbered
from .mapped import filled
from .splits import stratified

SHOWN = 3  # names in a line
DARK = 64  # of 255
ROWS = 256  # images looked at together

Image = NDArray[np.uint8]


@dataclass
class Part:
    """Images of a source that belong to one split, or whose split is still to be made.

    `decode` gives the image of an item, (H, W, C), or None where it cannot be read, which it notes
    itself. `labels` holds one label of any kind per item, `names` its path or key where it has one,
    `splits` the split of each where a source that keeps its items in one order says it.
    """

    items: Any
    decode: Callable[[Any], Image | None]
    labels: Sequence[Any] | NDArray[Any] | None = None
    names: Sequence[str] | None = None
    splits: Sequence[str] | None = None

    def take(self, at: NDArray[np.int64], labels: Labels) -> "Part":
        """The items of these numbers, with labels of theirs."""
        items, names = [self.items[index] for index in at], self.names
        return Part(items, self.decode, labels, None if names is None else [names[index] for index in at])


@dataclass
class Source:
    """Parts by split ("" is not split yet), the shape (H, W, C) of their images, and notes for the
    user on what was left out or assumed.
    """

    name: str
    parts: dict[str, Part]
    shape: tuple[int, int, int]
    notes: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()  # names of the classes 0, 1, ..., where the source has them
    batch: int = 256  # items decoded before they are written
    parallel: bool = False  # decode in threads
    finish: Callable[[], list[str]] = list  # notes that are known once all is decoded
    decoder: Callable[[Any], Image] | None = None  # as `decode` of the parts, for another process
    depth: tuple[float, float] | None = None  # of `Reading`, where pictures have more than 8 bits


@dataclass
class Content:
    """Arrays, class names and the line that is said of them."""

    arrays: Arrays
    classes: tuple[str, ...]
    note: str
    validation: int
    depth: tuple[float, float] | None


def assemble(source: Source) -> Content:
    """Decode a source into mapped arrays.

    Raises:
        DataError: There are too few images.
    """
    notes = source.notes
    numbers, classes = class_numbers(source)
    parts = {
        split: (list(part.items), part.decode, labels) for split, part, labels in divided(source, numbers)
    }
    if "test" not in parts:
        parts["test"] = parts.pop("validation")
        notes.append("the validation images serve as the test")
    train = [parts["train"]] + ([parts["validation"]] if "validation" in parts else [])
    images, labels, counts = _decoded(source, train)
    test_images, test_labels, _ = _decoded(source, [parts["test"]])
    notes += [*source.finish(), *_dark(images)]
    validation = counts[1] if len(counts) > 1 else 0
    arrays = (images, labels, test_images, test_labels)
    if labels is None:
        classes = ()
    return Content(arrays, classes, "; ".join(notes), validation, source.depth)


def _dark(images: Image) -> Iterator[str]:
    """What is said of images that a wrong range may have made dark."""
    highest = max(int(images[at : at + ROWS].max()) for at in range(0, len(images), ROWS))
    if 0 < highest < DARK:
        yield f"no pixel is above {highest} of 255; if {highest} is white, say so: --range 0:{highest}"


def divided(source: Source, numbers: dict[str, Labels]) -> Iterator[tuple[str, Part, Labels]]:
    """The parts by split, with their class numbers; what has none yet is divided into training and
    test.
    """
    for split, part in source.parts.items():
        labels = numbers.get(split)
        if split:
            yield split, part, labels
            continue
        if part.splits:
            said = np.array(part.splits)
            found = {name: np.flatnonzero(said == name) for name in dict.fromkeys(part.splits)}
        else:
            chosen = stratified(labels, len(part.items), source.name)
            found = dict(zip(("train", "test"), chosen, strict=True))
        for name, at in found.items():
            yield name, part.take(at, None), None if labels is None else labels[at]


def class_numbers(source: Source) -> tuple[dict[str, Labels], tuple[str, ...]]:
    """Class numbers of each part under common names; none where a part has no usable labels."""
    labelled = {split: part.labels for split, part in source.parts.items() if part.labels is not None}
    if not labelled:
        return {}, ()
    if missing := source.parts.keys() - labelled.keys():
        source.notes.append(f"no labels for {', '.join(sorted(missing))}: none are used")
        return {}, ()
    for split, labels in labelled.items():
        if len(labels) != len(source.parts[split].items):
            raise DataError(
                f"{source.name}: there are {len(source.parts[split].items)} images and {len(labels)} labels"
            )
    try:
        together = np.concatenate([_column(labels) for labels in labelled.values()])
        numbers, classes = numbered(together)
    except ValueError as error:
        source.notes.append(f"no labels are used: {error}")
        return {}, ()
    assert numbers is not None
    edges = np.cumsum([len(labels) for labels in labelled.values()])[:-1]
    named = source.classes if len(source.classes) >= len(classes) else classes
    return dict(zip(labelled, np.split(numbers, edges), strict=True)), named


def _column(labels: Any) -> NDArray[Any]:
    """Labels of shape (n, 1) as (n,)."""
    array = np.asarray(labels)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _decoded(
    source: Source, parts: list[tuple[list[Any], Callable[[Any], Image | None], Labels]]
) -> tuple[Image, Labels, list[int]]:
    """The images of some parts in one array, the labels of those that could be read, and how many
    each part has.
    """
    total = sum(len(items) for items, _, _ in parts)
    kept: list[list[bool]] = []

    def images(advance: Advance) -> Iterator[Image]:
        for items, decode, _ in parts:
            good: list[bool] = []
            kept.append(good)
            for image in decoded_items(source, items, decode):
                good.append(image is not None)
                if len(good) % source.batch == 0:
                    advance(source.batch)
                if image is not None:
                    yield image

    try:
        with phase("reading images", total) as advance:
            array = filled((total, *source.shape), images(advance))
    except ValueError as error:
        source.finish()  # where most could not be read, it says why
        raise DataError(f"{source.name}: {error}") from error
    labels = [numbers for _, _, numbers in parts]
    chosen = None
    if all(numbers is not None for numbers in labels):
        chosen = np.concatenate(
            [numbers[np.array(good)] for numbers, good in zip(labels, kept, strict=True)]  # type: ignore[index]
        )
    return array, chosen, [sum(good) for good in kept]


def decoded_items(
    source: Source, items: Any, decode: Callable[[Any], Image | None]
) -> Iterator[Image | None]:
    """The images of items in order, None for one that cannot be read; a batch at a time."""
    if not source.parallel:
        for number, item in enumerate(items):
            if number % source.batch == 0:
                signals.check()
            yield decode(item)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(items), source.batch):
            signals.check()
            yield from pool.map(decode, items[start : start + source.batch])


def some(items: Sequence[str]) -> str:
    """The first few items of many, in words."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
