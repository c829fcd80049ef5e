"""The gate: exported graphs against the Keras model they come from, image by image.

Every image runs once at onnxruntime's default optimisation level, in batches whose sizes go round
through `BATCHES`; at the other levels the first `SAMPLED` images run, so that each level meets each
batch size. A few images also run in onnx.reference.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from ..datasets.images import chunk_size, to_float
from ..errors import ValidationError
from ..models.autoencoder import Autoencoder
from ..system.progress import phase
from . import reference, weights
from .formats import Precision
from .sessions import (
    DEFAULT_LEVEL,
    LEVELS,
    Arrays,
    RunGraph,
    onnxruntime_graphs,
    reference_graphs,
)
from .ties import differing, wrong_switches

TOLERANCE = 1e-5  # on pixels; on codes times the largest code, where that is above 1
NOISE = 4.0  # times Keras' own rounding error that a graph may be off, where that is more
EXACT = 16  # images whose rounding error is measured in float64
TOLERATED_RISES = {  # of the mean squared error, as a share, in precisions that change every number
    "float16": 0.001,
    "int8": 0.02,
}
BATCHES = (1, 2, 7, 64, 257)
SAMPLED = 2 * sum(BATCHES)
REFERENCED = 2  # images through onnx.reference
GRAPHS = ("encoder", "decoder", "autoencoder")


class GraphCheck(NamedTuple):
    """One graph against Keras. Differences are absolute, over all images and levels.

    `keras_mse` and `onnx_mse` are mean squared errors of the reconstructions: the encoder's with
    the decoder's graph behind it, the decoder's on Keras' codes. `mse_rise` is how much greater, as
    a share, the second is, at the worst optimisation level. In float32 the largest difference must
    be within `tolerance`, in other precisions the rise. `ties` counts the images whose switches
    differ because two pixels of a window are equal up to rounding; the autoencoder, which then
    places a value elsewhere, is not compared on them.
    """

    graph: str
    nodes: int
    bytes: int
    max_abs_diff: float
    mean_abs_diff: float
    keras_mse: float
    onnx_mse: float
    mse_rise: float
    tolerance: float
    ties: int
    passed: bool


class Difference:
    """Largest and mean absolute difference, and mean square, over chunks of arrays."""

    def __init__(self) -> None:
        self.largest, self.total, self.count, self.squared = 0.0, 0.0, 0, 0.0

    def add(self, array: NDArray[Any], expected: NDArray[Any]) -> None:
        if array.size:
            difference = np.abs(array.astype(np.float64) - expected)
            self.largest = float(np.maximum(self.largest, difference.max()))  # keeps NaN
            self.total += float(difference.sum())
            self.count += array.size
            self.squared += float(np.square(difference).sum())

    @property
    def mean(self) -> float:
        return self.total / max(self.count, 1)

    @property
    def mean_square(self) -> float:
        return self.squared / max(self.count, 1)


def compare(
    model: Autoencoder,
    files: dict[str, bytes],
    images: NDArray[np.uint8],
    precision: Precision = "float32",
) -> list[GraphCheck]:
    """Compare the graphs "encoder", "decoder" and "autoencoder" with the Keras model on uint8
    images of shape (n, H, W, C).

    Raises:
        ValidationError: onnx.checker refuses a graph.
    """
    for name, content in files.items():
        try:
            onnx.checker.check_model(content, full_check=True)
        except Exception as error:  # the checker's own kinds are not public
            raise ValidationError(
                f"{name}.onnx is not a valid ONNX model: {str(error).splitlines()[0]}"
            ) from error
    counts = {level: min(len(images), SAMPLED) for level in LEVELS} | {DEFAULT_LEVEL: len(images)}
    with phase("comparing with Keras", sum(counts.values())) as advance:
        comparison = Comparison(model, images, TOLERATED_RISES.get(precision))
        for level, count in counts.items():
            comparison.add(onnxruntime_graphs(files, level), _slices(count), level == DEFAULT_LEVEL)
            advance(count)
        with np.errstate(over="ignore", invalid="ignore"):  # its sigmoid passes through infinity
            comparison.add(reference_graphs(files), [slice(0, REFERENCED)])
    return [comparison.check(name, content) for name, content in files.items()]


class Comparison:
    """Keras' codes and reconstructions of the images, and how far the graphs were from them."""

    def __init__(self, model: Autoencoder, images: NDArray[np.uint8], tolerated_rise: float | None) -> None:
        self.model, self.images, self.tolerated_rise = model, images, tolerated_rise
        size = chunk_size(images)
        outputs = [
            _keras(model, to_float(images[start : start + size])) for start in range(0, len(images), size)
        ]
        self.decoded = 1 + len(model.variant.switches)  # outputs of the encoder that the decoder takes
        self.codes = [np.concatenate(parts) for parts in zip(*(c for c, _ in outputs), strict=True)]
        self.pixels = np.concatenate([reconstructions for _, reconstructions in outputs])
        self.differences = {name: Difference() for name in GRAPHS}
        self.mse = dict.fromkeys(GRAPHS, 0.0)
        self.rises = dict.fromkeys(GRAPHS, -1.0)
        self.ties = np.zeros(len(images), bool)
        self.wrong_switches = 0

    def add(self, run: RunGraph, parts: Iterable[slice], measured: bool = False) -> None:
        """Run parts of the images through the graphs; if `measured`, their errors are reported."""
        errors, keras_error = {name: Difference() for name in GRAPHS}, Difference()
        for part in parts:
            target, codes = to_float(self.images[part]), [code[part] for code in self.codes]
            encoded, end = run("encoder", [target]), self.decoded
            (decoded,), (composed,) = run("decoder", codes[:end]), run("decoder", encoded[:end])
            (whole,) = run("autoencoder", [target])
            tie = differing(encoded[1:end], codes[1:end], len(target))
            self.ties[part] |= tie
            if self.tolerated_rise is None:
                switches = [[array[tie] for array in each[1:end]] for each in (encoded, codes)]
                self.wrong_switches += wrong_switches(self.model, target[tie], *switches)
            for code, expected in zip([encoded[0], *encoded[end:]], [codes[0], *codes[end:]], strict=True):
                self.differences["encoder"].add(code, expected)
            self.differences["decoder"].add(decoded, self.pixels[part])
            self.differences["autoencoder"].add(whole[~tie], self.pixels[part][~tie])
            self.differences["autoencoder"].add(composed, whole)
            keras_error.add(self.pixels[part], target)
            for name, pixels in zip(GRAPHS, (composed, decoded, whole), strict=True):
                errors[name].add(pixels, target)
        smallest = np.finfo(np.float64).tiny
        for name, error in errors.items():
            rise = error.mean_square / max(keras_error.mean_square, smallest) - 1
            self.rises[name] = float(np.maximum(self.rises[name], rise))  # keeps NaN
            if measured:
                self.mse[name] = error.mean_square

    def check(self, name: str, content: bytes) -> GraphCheck:
        """The check of a graph whose file holds `content`."""
        difference, keras_error = self.differences[name], Difference()
        keras_error.add(self.pixels, to_float(self.images))
        if self.tolerated_rise is None:
            tolerance = self.tolerance(name)
            passed = difference.largest <= tolerance
            passed = passed and not (name == "encoder" and self.wrong_switches)
        else:
            tolerance, passed = self.tolerated_rise, self.rises[name] <= self.tolerated_rise
        return GraphCheck(
            graph=name,
            nodes=len(onnx.load_model_from_string(content).graph.node),
            bytes=len(content),
            max_abs_diff=difference.largest,
            mean_abs_diff=difference.mean,
            keras_mse=keras_error.mean_square,
            onnx_mse=self.mse[name],
            mse_rise=self.rises[name],
            tolerance=tolerance,
            ties=int(self.ties.sum()),
            passed=passed,
        )

    def tolerance(self, name: str) -> float:
        """How far a float32 graph may be off: 1e-5, or where float32 itself is less exact than that
        in this net, `NOISE` times the error of Keras against the same table in float64.
        """
        arrays = weights.read(self.model)
        names = list(self.model.variant.switches)
        codes = [code[:EXACT] for code in self.codes]
        switches = dict(zip(names, codes[1:], strict=False))
        exact_codes, saved = reference.encode(self.model.variant, arrays, to_float(self.images[:EXACT]))
        if name == "encoder":
            pairs = [(codes[0], exact_codes)]
            if "log_variance" in saved:
                pairs.append((codes[-1], saved["log_variance"]))
            noise = max(float(np.abs(keras - exact).max()) for keras, exact in pairs)
            outputs = [self.codes[0], *self.codes[self.decoded :]]
            scale = max(1.0, *(float(np.abs(output).max()) for output in outputs))
            return max(TOLERANCE * scale, NOISE * noise)
        decoded = codes[0] if name == "decoder" else exact_codes
        pixels = reference.decode(self.model.variant, arrays, decoded, switches)
        return max(TOLERANCE, NOISE * float(np.abs(self.pixels[:EXACT] - pixels).max()))


def _keras(model: Autoencoder, images: NDArray[np.float32]) -> tuple[Arrays, NDArray[np.float32]]:
    codes = model.encoder.predict_on_batch(images)
    codes = [np.asarray(code) for code in (codes if isinstance(codes, list) else [codes])]
    return codes, np.asarray(model.predict_on_batch(images))


def _slices(count: int) -> Iterator[slice]:
    start = 0
    for size in itertools.cycle(BATCHES):
        if start >= count:
            return
        yield slice(start, min(start + size, count))
        start += size
