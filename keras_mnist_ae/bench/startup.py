"""Time to the first answer: the command, the import, and MNIST from its files."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..datasets.catalog import data_folder
from ..datasets.idx import IDX_SETS, find
from ..errors import DataError
from .timing import Ratio, alternate, ratio

ROUNDS = 15
CLICK, HELP, IMPORT, FIRST, LATER = (
    "python -c 'import click'",
    "kae --help",
    "import keras_mnist_ae",
    "MNIST, first time",
    "MNIST, afterwards",
)
LOAD = """
import sys, time
from pathlib import Path
from keras_mnist_ae import datasets
start = time.perf_counter()
datasets.load("mnist", Path(sys.argv[1]))
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Result:
    """Median seconds of one thing; `to_click` is the ratio to `import click` in a fresh Python, for
    those that start one.
    """

    what: str
    seconds: float
    to_click: Ratio | None


def measure(data_dir: Path | None) -> list[Result]:
    """Each in a process of its own, by turns. MNIST is left out where its IDX files are not at
    hand; `first` has an empty cache folder.

    Raises `DataError` when they are not in a folder that is named.
    """
    folder = data_folder(data_dir)
    at_hand = find(folder / "mnist", IDX_SETS["mnist"])
    if data_dir and not at_hand:
        raise DataError(f"there are no IDX files of MNIST in {folder / 'mnist'}")
    calls: dict[str, Callable[[], object]] = {
        CLICK: lambda: _python("import click"),
        HELP: lambda: _run([sys.executable, "-m", "keras_mnist_ae", "--help"]),
        IMPORT: lambda: _python("import keras_mnist_ae"),
    }
    times = alternate(calls, ROUNDS)
    results = [
        Result(name, float(_median(taken)), ratio(taken, times[CLICK])) for name, taken in times.items()
    ]
    if not at_hand:
        return results
    first, later = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as cache:
            first.append(_load(folder, cache))
            later.append(_load(folder, cache))
    return [*results, Result(FIRST, sorted(first)[1], None), Result(LATER, sorted(later)[1], None)]


def _load(folder: Path, cache: str) -> float:
    return float(_run([sys.executable, "-c", LOAD, str(folder)], {**os.environ, "XDG_CACHE_HOME": cache}))


def _python(code: str) -> str:
    return _run([sys.executable, "-c", code])


def _run(command: list[str], environment: dict[str, str] | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def _median(values: object) -> float:
    import numpy as np

    return float(np.median(np.asarray(values)))
