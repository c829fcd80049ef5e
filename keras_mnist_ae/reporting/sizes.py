"""How many numbers a set needs: kae size."""

import json
import shlex
import time
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..system.progress import phase
from ..system.result import Result
from .table import table

if TYPE_CHECKING:
    from ..architecture.variant import Variant
    from ..datasets.dataset import Dataset
    from ..runs.config import TrainConfig

LARGEST = 64  # numbers of the code, unless told otherwise
VALIDATION = 5000  # training images that the knee is read from, at most: a tenth of the others
REFUSED = {
    "noise": "the curve is of images without noise",
    "target": "the curve is of images that are to come out as they went in",
    "binarize": "the curve is of grey images",
    "ema": "the last weights are measured",
    "patience": "all epochs are trained",
    "init": "it starts from random weights",
    "init_part": "it starts from random weights",
    "checkpoint_every": "it keeps no checkpoints",
    "samples": "it makes no run",
    "name": "it makes no run",
}


def size(
    variant: "str | Variant" = "conv",
    dataset: "str | PathLike[str] | Dataset | Any" = "mnist",
    *,
    latent_dim: int = LARGEST,
    **settings: Any,
) -> Result:
    """How many numbers a set of images needs: the error of every size of the code, in one training.

    In nested dropout (Rippel et al. 2014) each training image keeps the first b numbers of its
    code, b being drawn anew, so that a code can be cut after any of its numbers. The knee of the
    curve is read from training images that are kept out; test images are measured only.

    Args:
        latent_dim: the largest size.
        settings: others of `kae.train`; `runs_dir` is where the folder with the result is made.

    Returns:
        `curve`, a row per size with `validation_mse`, `test_mse`, `pca_mse` (of a PCA of that size,
        on the test images) and `explained`, the share of the mean image's error that is gone;
        `knee` and its 95 % `interval` over images; `command`, the training to do next; the paths of
        `json` and `figure`.

    Raises:
        UsageError: A setting cannot be used, or the variant has pooling switches or a variational
            code.
    """
    import numpy as np

    from ..analysis import metrics, pca, plots, size_plot, sizes
    from ..analysis.codec import of_model
    from ..architecture.variant import Variant as Table
    from ..datasets.frameworks import name_of
    from ..datasets.images import chunks
    from ..runs.config import configure
    from ..runs.reopen import load_data
    from ..runs.settings import SETTINGS
    from ..system import backend
    from ..training.defaults import settled

    for name, reason in REFUSED.items():
        if settings.get(name, SETTINGS[name].value) != SETTINGS[name].value:
            raise UsageError(f"{name} is no setting of `kae size`: {reason}")
    named = {"table": variant} if isinstance(variant, Table) else {"variant": variant}
    config = configure(**{**settings, **named, "dataset": name_of(dataset), "latent_dim": latent_dim})
    backend.choose(config.backend, config.device)
    data = load_data(config, dataset)
    config = settled(config, data)
    _refuse(config, data)
    from ..training.nested_fit import fit_nested

    seen, kept = _split(data, config)
    before = time.monotonic()
    model = fit_nested(config, data.train.images[seen], data.image_shape)
    seconds = time.monotonic() - before
    codec, steps = of_model(model), sizes.grid(model.variant.latent)
    with phase("measuring", len(kept) + len(data.test.images)) as advance:
        errors = sizes.cut_errors(codec, data.train.images[kept], steps, advance)
        test = sizes.cut_errors(codec, data.test.images, steps, advance).mean(axis=1)
    linear = pca.fit(data.train.images[seen], steps[-1])
    squares = np.concatenate([np.square(linear.encode(chunk)) for chunk in chunks(data.test.images)])

    def mean_image(chunk: Any) -> Any:
        return np.broadcast_to(linear.mean.reshape(chunk.shape[1:]), chunk.shape)

    mean = float(metrics.squared_errors(data.test.images, mean_image).mean())
    gone = np.cumsum(squares.mean(axis=0)) / data.test.images[0].size
    by_pca = np.array([mean - gone[min(step, len(gone)) - 1] for step in steps])
    knee = sizes.knee(steps, errors.mean(axis=1))
    numbers: dict[str, Any] = {
        "variant": config.variant,
        "dataset": data.name,
        "largest": steps[-1],
        "epochs": config.epochs,
        "images": len(seen),
        "validation": len(kept),
        "seconds": round(seconds, 1),
        "mean_image_mse": mean,
        "curve": sizes.rows(steps, errors.mean(axis=1), test, by_pca, mean),
        "knee": knee,
        "interval": sizes.knee_interval(steps, errors),
        "command": command(config, knee),
    }
    folder = Path(config.runs_dir) / f"size-{config.variant}-{data.title}"
    files = {"json": str(folder / "size.json"), "figure": str(folder / "size.png")}
    _write(folder, numbers)
    plots.save(size_plot.draw(numbers["curve"], knee, numbers["interval"], data.title), folder / "size.png")
    return Result({**numbers, **files}, text({**numbers, **files}))


def text(numbers: dict[str, Any]) -> str:
    """What `kae size` prints."""
    rows = [
        (
            str(row["size"]),
            *(f"{row[key]:.5f}" for key in ("validation_mse", "test_mse", "pca_mse")),
            f"{row['explained']:.1%}",
        )
        for row in numbers["curve"]
    ]
    low, high = numbers["interval"]
    return "\n".join(
        [
            f"{numbers['variant']} on {numbers['dataset']}: codes of 1 to {numbers['largest']} numbers, "
            f"one training of {numbers['epochs']} epochs on {numbers['images']:,} images, "
            f"{numbers['seconds']:.0f} s\n",
            table(("numbers", "validation MSE", "test MSE", "PCA", "explained"), rows),
            f"\nThe curve bends at {numbers['knee']} numbers ({low} to {high} over the "
            f"{numbers['validation']:,} validation images drawn anew; another training, or another "
            "largest size, may move it).",
            *_beaten(numbers["curve"]),
            "A training for one size alone reaches a lower error than the same size here.",
            f"Train it: {numbers['command']}",
            f"figure     {numbers['figure']}",
            f"numbers    {numbers['json']}",
        ]
    )


def _beaten(curve: list[dict[str, Any]]) -> list[str]:
    """Where a PCA is better, in a sentence."""
    worse = [str(row["size"]) for row in curve if row["test_mse"] > row["pca_mse"]]
    if not worse:
        return []
    return [
        f"Worse than a PCA of the same size at {', '.join(worse)} numbers: more --epochs would help, or a "
        "PCA serves these images."
    ]


def command(config: "TrainConfig", latent: int) -> str:
    """The command that trains the same with a code of that size."""
    from ..runs.settings import SETTINGS

    words = ["kae", "train"]
    if config.table is None:
        words.append(config.variant)
    for name in SETTINGS:
        value = getattr(config, name)
        if name not in config.given or name in ("variant", "table", "latent_dim", "runs_dir", *REFUSED):
            continue
        flag = f"--{name.replace('_', '-')}"
        words += ([flag] if value else []) if isinstance(value, bool) else [flag, str(value)]
    own = " (and your table: --table FILE)" if config.table else ""
    return shlex.join([*words, "--latent-dim", str(latent)]) + own


def _refuse(config: "TrainConfig", data: "Dataset") -> None:
    table = config.architecture(data.image_shape)
    if table.variational:
        raise UsageError(
            f"{table.name} is variational: it leaves numbers unused by itself, which `active_units` "
            "counts after kae train.\nTake a table such as conv."
        )
    if table.switches:
        raise UsageError(
            f"{table.name} passes pooling switches beside its code, so that its error does not tell "
            "how many numbers are needed.\nTake a table such as conv."
        )


def _split(data: "Dataset", config: "TrainConfig") -> tuple[Any, Any]:
    """The numbers of the training images that are trained on, and of those kept for the choice."""
    import numpy as np

    count = len(data.train.images)
    if config.validation:
        return np.arange(count - config.validation), np.arange(count - config.validation, count)
    kept = min(VALIDATION, count // 10)
    if kept < 2:
        raise UsageError(f"{count} training images are too few: kae size needs 20")
    order = np.random.default_rng(config.seed).permutation(count)
    return np.sort(order[kept:]), np.sort(order[:kept])


def _write(folder: Path, numbers: dict[str, Any]) -> None:
    from ..errors import WriteError
    from ..system.atomic import write_text

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot make {folder}: {error.strerror}\nChoose another place with --runs-dir."
        ) from error
    write_text(folder / "size.json", json.dumps(numbers, indent=2, ensure_ascii=False) + "\n")
