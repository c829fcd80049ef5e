"""Every dataset and where it is found, as `kae data list` prints them."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from . import user_files
from .catalog import PREPARED, existing_folder
from .idx import IDX_SETS, find


@dataclass(frozen=True)
class Available:
    """A line of `kae data list`."""

    name: str
    description: str
    where: str


def available(data_dir: Path | None = None) -> list[Available]:
    """Every dataset and where it is found: what `kae data list` prints. Raises `DataError` for a
    named folder that does not exist.
    """
    folder = existing_folder(data_dir)
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
