"""The gate: exported graphs in onnxruntime against the Keras model they come from, image by image."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from ..architecture.layers import MaxPool
from ..datasets.images import chunk_size, to_float
from ..errors import ValidationError
from ..models.autoencoder import Autoencoder
from .formats import Precision

TOLERANCE = 1e-5  # on pixels; on codes as many times the largest code, where that is above 1
TOLERATED_RISES = {
    "float16": 0.001,
    "int8": 0.02,
}  # of the mean squared error, as a share: the only measure in these precisions
BATCHES = (1, 2, 7, 64, 257)
LEVELS = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
REFERENCED = 2  # images through onnx.reference, a slow second runtime
REFERENCE_OPSET = 19  # the first whose DequantizeLinear it knows; what the graphs use means the same there

Arrays = list[NDArray[Any]]
Run = Callable[[str, Arrays], Arrays]  # graph and its inputs, channels last, to its outputs


class Verdict(NamedTuple):
    """One graph against Keras. Differences are absolute, over all images, batch sizes and
    optimisation levels.

    `keras_mse` and `onnx_mse` are mean squared errors of the reconstructions, the latter at the
    worst optimisation level: the encoder's with the decoder's graph behind it, the decoder's on
    Keras' codes. `mse_rise` is how much greater, as a share, the second one is. In float32 the
    largest difference must be within `tolerance`, else the rise. `ties` counts the images whose
    switches differ because two pixels of a window are equal up to rounding; the autoencoder, which
    would put a value elsewhere then, is not compared on them.
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
    """Largest and mean absolute difference, and squared error against a target, as chunks come in."""

    def __init__(self) -> None:
        self.largest, self.total, self.count, self.squared = 0.0, 0.0, 0, 0.0

    def add(self, found: NDArray[Any], expected: NDArray[Any]) -> None:
        if found.size:
            difference = np.abs(found.astype(np.float64) - expected)
            self.largest = float(np.maximum(self.largest, difference.max()))  # NaN stays
            self.total += float(difference.sum())
            self.count += found.size
            self.squared += float(np.square(difference).sum())

    @property
    def mean(self) -> float:
        return self.total / max(self.count, 1)

    @property
    def mean_square(self) -> float:
        return self.squared / max(self.count, 1)


def compare(
    model: Autoencoder, files: dict[str, bytes], images: NDArray[np.uint8], precision: Precision = "float32"
) -> list[Verdict]:
    """Hold the graphs "encoder", "decoder" and "autoencoder" against the Keras model on uint8
    images of shape (n, H, W, C).

    Each image runs at every graph optimisation level, in batches whose sizes go round through
    `BATCHES`; the decoder on Keras' codes and on the encoder's; a few images also in
    onnx.reference. Raises `ValidationError` for a graph that onnx.checker refuses.
    """
    for name, content in files.items():
        try:
            onnx.checker.check_model(content, full_check=True)
        except Exception as error:  # the checker's own kinds are not public
            raise ValidationError(
                f"{name}.onnx is not a valid ONNX model: {str(error).splitlines()[0]}"
            ) from error
    comparison = Comparison(model, images, TOLERATED_RISES.get(precision))
    for level in LEVELS.values():
        comparison.add(_session(files, level), _slices(len(images)))
    with np.errstate(over="ignore"):  # its sigmoid takes the way over infinity
        comparison.add(_reference(files), [slice(0, REFERENCED)], measured=False)
    return [comparison.verdict(name, content) for name, content in files.items()]


class Comparison:
    """What Keras makes of the images, and how far the graphs were from it. A `tolerated_rise` makes
    the squared error the measure.
    """

    def __init__(self, model: Autoencoder, images: NDArray[np.uint8], tolerated_rise: float | None) -> None:
        self.model, self.images, self.tolerated_rise = model, images, tolerated_rise
        size = chunk_size(images)
        expected = [
            _keras(model, to_float(images[start : start + size])) for start in range(0, len(images), size)
        ]
        self.decoded = 1 + len(model.variant.switches)  # how many of the encoder's outputs the decoder takes
        self.codes = [np.concatenate(parts) for parts in zip(*(codes for codes, _ in expected), strict=True)]
        self.pixels = np.concatenate([reconstructions for _, reconstructions in expected])
        self.differences = {name: Difference() for name in ("encoder", "decoder", "autoencoder")}
        self.mse = dict.fromkeys(self.differences, 0.0)
        self.ties = np.zeros(len(images), bool)
        self.wrong_switches = 0

    def add(self, run: Run, parts: Iterable[slice], measured: bool = True) -> None:
        """Run those parts of the images through the three graphs; where `measured`, what they
        reconstruct of them counts as their error.
        """
        found = {name: Difference() for name in self.differences}
        for part in parts:
            target, codes = to_float(self.images[part]), [code[part] for code in self.codes]
            encoded, end = run("encoder", [target]), self.decoded
            (decoded,), (composed,), (whole,) = (
                run("decoder", codes[:end]),
                run("decoder", encoded[:end]),
                run("autoencoder", [target]),
            )
            switches, expected = encoded[1:end], codes[1:end]
            tie = _flipped(switches, expected, len(target))
            self.ties[part] |= tie
            if self.tolerated_rise is None:
                self.wrong_switches += _wrong_switches(
                    self.model, target[tie], [s[tie] for s in switches], [s[tie] for s in expected]
                )
            for found_code, code in zip([encoded[0], *encoded[end:]], [codes[0], *codes[end:]], strict=True):
                self.differences["encoder"].add(found_code, code)
            self.differences["decoder"].add(decoded, self.pixels[part])
            self.differences["autoencoder"].add(whole[~tie], self.pixels[part][~tie])
            self.differences["autoencoder"].add(composed, whole)
            for name, pixels in (("encoder", composed), ("decoder", decoded), ("autoencoder", whole)):
                found[name].add(pixels, target)
        if measured:
            self.mse = {
                name: float(np.maximum(self.mse[name], errors.mean_square)) for name, errors in found.items()
            }  # NaN stays

    def verdict(self, name: str, content: bytes) -> Verdict:
        """On a graph, whose file holds `content`."""
        difference, keras_error = self.differences[name], Difference()
        keras_error.add(self.pixels, to_float(self.images))
        rise = self.mse[name] / max(keras_error.mean_square, np.finfo(np.float64).tiny) - 1
        if self.tolerated_rise is None:
            tolerance = TOLERANCE * (
                max(
                    1.0, *(float(np.abs(code).max()) for code in (self.codes[0], *self.codes[self.decoded :]))
                )
                if name == "encoder"
                else 1
            )
            passed = difference.largest <= tolerance and not (name == "encoder" and self.wrong_switches)
        else:
            tolerance, passed = self.tolerated_rise, rise <= self.tolerated_rise
        return Verdict(
            graph=name,
            nodes=len(onnx.load_model_from_string(content).graph.node),
            bytes=len(content),
            max_abs_diff=difference.largest,
            mean_abs_diff=difference.mean,
            keras_mse=keras_error.mean_square,
            onnx_mse=self.mse[name],
            mse_rise=rise,
            tolerance=tolerance,
            ties=int(self.ties.sum()),
            passed=passed,
        )


def _keras(model: Autoencoder, images: NDArray[np.float32]) -> tuple[Arrays, NDArray[np.float32]]:
    codes = model.encoder.predict_on_batch(images)
    codes = [np.asarray(code) for code in codes] if isinstance(codes, list) else [np.asarray(codes)]
    return codes, np.asarray(model.predict_on_batch(images))


def _slices(count: int) -> Iterator[slice]:
    start = 0
    for size in itertools.cycle(BATCHES):
        if start >= count:
            return
        yield slice(start, start + size)
        start += size


def _session(files: dict[str, bytes], level: Any) -> Run:
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    return _runner(
        {
            name: ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            for name, content in files.items()
        }
    )


def _reference(files: dict[str, bytes]) -> Run:
    evaluators = {}
    for name, content in files.items():
        model = onnx.load_model_from_string(content)
        model.opset_import[0].version = max(model.opset_import[0].version, REFERENCE_OPSET)
        evaluators[name] = ReferenceEvaluator(model)
    return _runner(evaluators, names=True)


def _runner(sessions: dict[str, Any], names: bool = False) -> Run:
    def run(name: str, given: Arrays) -> Arrays:
        session = sessions[name]
        inputs = session.input_names if names else [port.name for port in session.get_inputs()]
        feed = {port: _transposed(array, (0, 3, 1, 2)) for port, array in zip(inputs, given, strict=True)}
        return [_transposed(array, (0, 2, 3, 1)) for array in session.run(None, feed)]

    return run


def _transposed(array: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    return np.ascontiguousarray(array.transpose(axes)) if array.ndim == 4 else array


def _flipped(switches: Arrays, expected: Arrays, count: int) -> NDArray[np.bool_]:
    """Which images have a switch that differs."""
    differ = np.zeros(count, bool)
    for found, theirs in zip(switches, expected, strict=True):
        differ |= (found != theirs).reshape(count, -1).any(axis=1)
    return differ


def _wrong_switches(
    model: Autoencoder, images: NDArray[np.float32], switches: Arrays, expected: Arrays
) -> int:
    """How many of the switches that differ name a pixel that, in Keras, is further below the
    maximum than rounding explains.
    """
    if not len(images):
        return 0
    wrong = 0
    pools = [step for step in model.variant.encoder if isinstance(step.layer, MaxPool) and step.layer.switch]
    for step, found, theirs in zip(pools, switches, expected, strict=True):
        pooled = keras.Model(model.encoder.input, model.encoder.get_layer(step.name).input).predict_on_batch(
            images
        )
        n, height, width, channels = theirs.shape
        windows = (
            np.asarray(pooled)
            .reshape(n, height, 2, width, 2, channels)
            .transpose(0, 1, 3, 5, 2, 4)
            .reshape(*theirs.shape, 4)
        )
        lost = (
            windows.max(axis=-1)
            - np.take_along_axis(windows, found[..., np.newaxis].astype(int), axis=-1)[..., 0]
        )
        wrong += int(((lost > TOLERANCE) & (found != theirs)).sum())
    return wrong
