"""What exported graphs are given: arrays a chunk at a time, codes, and every source of images that
training takes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import user_files
from ..datasets.assembly import Part, Source, class_numbers, decoded_items, divided
from ..datasets.catalog import load
from ..datasets.opening import pillow_unheard
from ..datasets.reading import Fit, Reading
from ..errors import DataError, UsageError, shown
from ..models.ports import Array
from ..system.notes import say
from .streams import CHUNK, Chunk, Input, Streams, images_in, opened, rows_of

CODES = frozenset([".csv", ".parquet"])


@contextmanager
def reading(
    source: str,
    ports: list[str],
    image: tuple[int, ...],
    asked: Reading,
    data_dir: Path | None = None,
    *,
    test: bool = False,
    own: bool = False,
) -> Iterator[Input]:
    """The input of graphs: a file of arrays, codes, or any dataset's name or path.

    Args:
        ports: names of the graph's inputs: `image`, or `latent` and those of switches.
        image: height, width and channels of the images that the graphs take.
        asked: how images are read; those of another size are refused unless it has a size.
        test: of a source that has a test split, that alone.
        own: the source is what was trained on: it is split as it was for training.

    Raises:
        DataError: Something is missing, damaged or does not fit.
        UsageError: There is no such source.
    """
    path = Path(source).expanduser()
    with ExitStack() as stack:
        if ports != ["image"]:
            yield _codes(path, ports, stack)
        elif (
            not own
            and path.suffix.lower() in (".npy", ".npz")
            and (streams := images_in(path, image, asked, stack))
        ):
            yield rows_of(path, streams, asked)
        elif path.exists() or user_files.is_path(source):
            yield _images(path, image, asked, test, own)
        else:
            yield _named(source, image, asked, data_dir, test)


def _codes(path: Path, ports: list[str], stack: ExitStack) -> Input:
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        return rows_of(path, code_streams(path, ports, stack), Reading())
    if suffix not in CODES or len(ports) > 1:
        raise DataError(f"codes cannot be read from {path.name}; give .npy, .npz, .csv or .parquet.")
    from .code_tables import read_codes

    codes, names = read_codes(path)
    parts = (
        Chunk({"latent": codes[at : at + CHUNK]}, names[at : at + CHUNK])
        for at in range(0, max(len(codes), 1), CHUNK)
    )
    return Input(len(codes), parts, names)


def code_streams(path: Path, ports: list[str], stack: ExitStack) -> Streams:
    """Codes, and switches, in a .npy or .npz file. Raises `UsageError` and `DataError`."""
    if path.suffix.lower() == ".npy" and len(ports) > 1:
        raise UsageError(
            f"this decoder takes {', '.join(ports)}: give a .npz file with these arrays, as `kae infer "
            "encode` writes it."
        )
    return opened(path, ports, stack)


def source_of(path: Path, image: tuple[int, ...], asked: Reading) -> Source:
    """Whatever training takes: the same reader. Raises `DataError` for images of another shape."""
    single = path.is_file() and user_files.suffix_of(path) not in user_files.SUFFIXES
    there = user_files.picture(path) if single else user_files.find(path.absolute())
    height, width, channels = image
    asked = replace(asked, expected=None if asked.size else Fit(height, width, channels))
    there.say_unused(path.name, asked)
    with pillow_unheard():
        source = there.source(asked)
    if source.shape != image:
        have, wanted = ("x".join(map(str, shape)) for shape in (source.shape, image))
        raise DataError(
            f"image has shape {source.shape}: the images of {path} are {have}, the graphs take {wanted}.\n"
            "Fit them: --resize"
        )
    return source


def _images(path: Path, image: tuple[int, ...], asked: Reading, test: bool, own: bool) -> Input:
    """The items of a source in their own order."""
    source = source_of(path, image, asked)
    numbers, classes = class_numbers(source)
    normal = _single_class(source)
    if own or (test and ("test" in source.parts or any(part.splits for part in source.parts.values()))):
        parts = {split: _labelled(part, labels) for split, part, labels in divided(source, numbers)}
        source.parts = {"test": parts.get("test") or parts["validation"]}
        source.notes.append("the test images alone")
        if classes:
            source.classes = classes
    names = [name for part in source.parts.values() for name in part.names or ()]
    total = sum(len(part.items) for part in source.parts.values())
    names = names if len(names) == total else []
    return Input(total, _decoded(path, source, names), names, classes, normal)


def _labelled(part: Part, numbers: Any) -> Part:
    return replace(part, labels=numbers)


def _single_class(source: Source) -> str:
    """The class of all training images, where there are others for the test; else ""."""
    train, test = source.parts.get("train"), source.parts.get("test")
    if not train or not test or train.labels is None or test.labels is None:
        return ""
    found = {str(label) for label in np.unique(np.asarray(train.labels))}
    others = {str(label) for label in np.unique(np.asarray(test.labels))}
    return found.pop() if len(found) == 1 and others - found else ""


def classes_of(source: Source) -> list[str]:
    """The name of the class of each item, "" where it has none."""
    return [
        "" if label is None else class_name(label, source.classes)
        for part in source.parts.values()
        for label in (part.labels if part.labels is not None else [None] * len(part.items))
    ]


def _decoded(path: Path, source: Source, names: list[str]) -> Iterator[Chunk]:
    classes = classes_of(source)
    chunk, count, number = Chunk({}), 0, 0
    images: list[Array] = []
    with pillow_unheard():
        for part in source.parts.values():
            for pixels in decoded_items(source, part.items, part.decode):
                if pixels is not None:
                    images.append(pixels)
                    chunk.names.append(names[number] if names else str(number))
                    chunk.classes.append(classes[number])
                number += 1
                if number % CHUNK == 0:  # where chunks begin does not hang on what cannot be read
                    count += len(images)
                    yield replace(chunk, arrays={"image": stacked(images, source.shape)})
                    chunk, images = Chunk({}), []
    if images:
        count += len(images)
        yield replace(chunk, arrays={"image": np.stack(images)})
    notes = "; ".join([f"{count:,} images", *source.notes, *source.finish()])
    say(shown(f"kae: {path.name}: {notes}"))


def stacked(images: list[Array], shape: tuple[int, ...]) -> Array:
    """The images of a chunk, of which there may be none."""
    return np.stack(images) if images else np.empty((0, *shape), np.uint8)


def class_name(label: Any, classes: tuple[str, ...]) -> str:
    """The name of a class. Of several labels of an image none is named."""
    if isinstance(label, np.ndarray) and label.size != 1:
        return ""
    value = label.item() if isinstance(label, np.ndarray | np.generic) else label
    if isinstance(value, int) and 0 <= value < len(classes):
        return classes[value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _named(name: str, image: tuple[int, ...], asked: Reading, data_dir: Path | None, test: bool) -> Input:
    """A dataset of the catalogue: its training images, unless the test images alone are wanted,
    then those.
    """
    data = load(name, data_dir, reading=asked)
    shape = data.train.images.shape[1:]
    if shape != image:
        raise DataError(
            f"the images of {name} are {'x'.join(map(str, shape))}, the graphs take "
            f"{'x'.join(map(str, image))}.\nFit them: --resize"
        )

    splits = {"test": data.test} if test else {"train": data.train, "test": data.test}

    def named(split: str, at: int) -> str:
        return str(at) if test else f"{split}/{at}"

    def chunks() -> Iterator[Chunk]:
        for split, part in splits.items():
            for at in range(0, len(part.images), CHUNK):
                images = part.images[at : at + CHUNK]
                labels: Any = [] if part.labels is None else part.labels[at : at + CHUNK]
                yield Chunk(
                    {"image": images},
                    [named(split, at + number) for number in range(len(images))],
                    [data.classes[label] for label in labels] or [""] * len(images),
                )

    names = [named(split, at) for split, part in splits.items() for at in range(len(part.images))]
    return Input(len(names), chunks(), names, data.classes if data.test.labels is not None else ())
