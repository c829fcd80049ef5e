"""Images that a run makes: generated from random codes, and interpolated between test images."""

from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..runs.folder import Run
from ..runs.reopen import is_own
from ..system.notes import say
from ..system.progress import phase
from ..system.result import Result
from . import text
from .codecs import keras_codec


def generate(
    run: Run,
    n: int = 64,
    *,
    density: str | None = None,
    seed: int = 0,
    quality: bool = False,
    data_dir: Path | None = None,
    dataset: Any = None,
) -> Result:
    """New images, decoded from codes drawn at random, each beside its nearest training image.

    Args:
        n: how many images.
        density: that of the codes: "mixture" (of Gaussians) or "gaussian", fitted on training
            codes, or "prior", the standard normal of a variational variant; None takes the prior
            where there is one, else the mixture.
        quality: measure FID, KID, precision and recall of up to 10,000 generated images against as
            many test images, beside those of training images, on features of a small classifier
            that is trained for it.

    Returns:
        `nearest_rmse`, the median RMSE per pixel to the nearest training image, beside that of
        test images, `test_nearest_rmse`, both None without the data; the paths of `figure` and
        `arrays` (images float32 of shape (n, H, W, C) in [0, 1], their codes, nearest training
        images and distances); with `quality` these numbers under that name, with the sha256 of the
        classifier's weights.
    """
    import numpy as np

    from ..analysis import generation
    from ..datasets.images import to_float
    from . import figures, kept
    from . import quality as of_quality

    if density == "prior" and not run.variant.variational:
        raise UsageError(f"{run.config.variant} has no prior: only variational variants do")
    density = density or figures.density_of(run)
    codec, data = keras_codec(run, data_dir, dataset, samples=density == "prior" and not quality)
    alone = data.train.images is data.test.images  # the images that the run keeps
    codes, _ = kept.codes(run, codec, data)
    fit = kept.mixture(run, data)
    with phase("generating") as advance:
        made = generation.generate(codec, data.train.images, codes, n, density, seed, fit)  # type: ignore[arg-type]
        advance(n)
        tests = to_float(data.test.images[:1000])
        usual, _ = generation.nearest_images(data.train.images, tests)
    measured = of_quality.measure(codec, data, codes, density, seed, fit) if quality else None
    borrowed = bool(run.variant.switches)
    run.write_figure("generated", figures.samples(made, data.train, density, borrowed))  # type: ignore[arg-type]
    run.write_generated(images=made.images, codes=made.codes, nearest=made.nearest, distances=made.distances)
    numbers = {
        "n": n,
        "density": density,
        "components": made.components,
        "nearest_rmse": None if alone else float(np.median(made.distances)),
        "test_nearest_rmse": None if alone else float(np.median(usual)),
        "switches": generation.BORROWED if borrowed else None,
    }
    own = is_own(run, data)
    other = "" if own else f"{data.title}: "
    run.add_metrics({f"{other}generated": numbers, **({f"{other}quality": measured} if measured else {})})
    files = {"figure": str(run.figure("generated")), "arrays": str(run.generated)}
    words = text.generated(run.path, numbers, figures.drawn_from(density, made.components), files)  # type: ignore[arg-type]
    if measured:
        numbers["quality"] = measured
        words += of_quality.text(measured)
    return Result({"run": str(run.path), **numbers, **files}, words)


def interpolate(
    run: Run,
    first: int,
    second: int,
    *,
    data_dir: Path | None = None,
    dataset: Any = None,
) -> Result:
    """Draw the paths from one test image to another: straight in the code, along a great circle in
    the code, and as a cross-fade of the pixels.

    Args:
        first: number of a test image, from 0.
        second: number of another.
    """
    from ..datasets.images import to_float
    from . import figures

    codec, data = keras_codec(run, data_dir, dataset)
    pair, count = [first, second], len(data.test.images)
    if not 0 <= min(pair) <= max(pair) < count:
        raise UsageError(f"there is no test image {max(pair)}: {data.name} has {count:,}, counted from 0")
    borrowed = bool(run.variant.switches)
    name = f"interpolation-{first}-{second}"
    run.write_figure(name, figures.paths(codec, data, [(first, second)], borrowed))
    codes = codec.encode(to_float(data.test.images[pair]))[0]
    labels = data.test.labels
    classes = [None if labels is None else data.classes[labels[index]] for index in pair]
    numbers = {
        "run": str(run.path),
        "a": first,
        "b": second,
        "classes": classes,
        "steps": figures.STEPS,
        "figure": str(run.figure(name)),
    }
    if len(set(map(bytes, codes))) == 1:
        say("kae: both images have the same code: there is no path between them")
    return Result(numbers, text.interpolation(numbers, borrowed))
