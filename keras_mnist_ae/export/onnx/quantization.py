"""Quantisation of rows to 8 bits: scales from weights and training images, bias correction,
and the choice of rows.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, helper

from ...architecture.layers import Branch, Conv, ConvTranspose, Dense, Flatten, MaxPool, Unflatten
from .lowering import Double, QuantParams, Row, without_reshapes
from .nodes import FLOAT, WEIGHT_STEPS, Ports, build

INTEGER, STORED = "integer", "stored"  # ways of a row: computed in 8 bits, or only kept in them
TOLERATED = 0.015  # rise of the mean squared error of the calibration images, as a share
CLIP_RATIOS = np.linspace(0.6, 1.0, 41)  # largest quantised weight to the largest of its output
PIXELS = np.array([0.0, 1.0])  # range of an image
SMALLEST = 1024  # weights of a row that is worth 8 bits

Arrays = dict[str, NDArray[Any]]
Rows = dict[str, list[Row]]


def quantise(stacks: Rows, ports: dict[str, tuple[Ports, Ports]], images: NDArray[np.float32]) -> Rows:
    """The stacks "encoder" and "decoder" with dense layers and convolutions in 8 bits, the rest as
    it was.

    Args:
        images: float32 of shape (n, C, H, W), for calibration.
        ports: inputs and outputs of the graphs by name.

    Weights get a symmetric scale per output, the one of least squared error; tensors 256 steps over
    the range that they have on the images. Biases are moved so that the mean of each output before
    its activation stays (bias correction: Nagel et al. 2019, "Data-free quantization through weight
    equalization and bias correction"), from the first row to the last, since each mean depends on
    the rows before.

    These are computed in float32: transposed convolutions, for which onnxruntime has no integer
    operator, and all rows after one, which onnxruntime would quantise dynamically at every run;
    convolutions over the image, which have few weights and are slower in integers; those before
    pooling with switches, where quantisation makes ties; those that onnxruntime does not fuse to
    one integer operator. Their weights are kept in 8 bits all the same, where there are many, and
    turned to float32 when a runtime loads the graph. While the error of the reconstructions rises
    by more than `TOLERATED`, the row with the largest rise per byte goes back, from integers to
    weights of 8 bits, and from those to float32.
    """
    codes = run(
        build("encoder", stacks["encoder"], *ports["encoder"], {}),
        {"image": images},
        list(ports["encoder"][1]),
    )
    arrays = {"encoder": {"image": images}, "decoder": {name: codes[name] for name in ports["decoder"][0]}}

    def quantised(chosen: dict[str, str]) -> Rows:
        return {
            name: _quantise_stack(rows, ports[name][0], arrays[name], chosen) for name, rows in stacks.items()
        }

    def error(chosen: dict[str, str]) -> float:
        rows = quantised(chosen)
        model = build(
            "autoencoder", without_reshapes(rows["encoder"] + rows["decoder"]), *ports["autoencoder"], {}
        )
        (pixels,) = run(model, {"image": images}, list(ports["autoencoder"][1])).values()
        return float(np.square(pixels - images, dtype=np.float64).mean())

    sizes = {row.name: row.weight.size for rows in stacks.values() for row in rows}
    chosen = {row.name: STORED for rows in stacks.values() for row in _storable(rows)}
    chosen |= {row.name: INTEGER for rows in stacks.values() for row in _candidates(rows)}
    storable = {row.name for rows in stacks.values() for row in _storable(rows)}
    before = error({})
    rises: dict[tuple[str, str], float] = {}
    while chosen and error(chosen) > before * (1 + TOLERATED):
        for name, way in chosen.items():
            if (name, way) not in rises:
                rises[name, way] = error({name: way}) - before
        worst = max(chosen, key=lambda name: rises[name, chosen[name]] / sizes[name])
        if chosen.pop(worst) == INTEGER and worst in storable:
            chosen[worst] = STORED
    return quantised(chosen)


def summary(rows: list[Row]) -> str:
    """How each row with weights is computed, and why not in integers, for metadata and manifest."""
    integer = {row.name for row in _candidates(rows)}
    storable = {row.name for row in _storable(rows)}
    words = []
    for row in rows:
        if not row.weight.size:
            continue
        if row.weight_scale is not None:
            words.append(f"{row.name}: int8")
            continue
        reason = (
            "integers cost too much error"
            if row.name in integer
            else "integers are no faster or not possible"
        )
        if row.stored_scale is not None:
            words.append(f"{row.name}: float32 from weights of 8 bits, {reason}")
        else:
            kept = "8 bits would move the switches of its pooling"
            if row.weight.size < SMALLEST:
                kept = "few weights"
            elif row.name in storable:
                kept = "it costs too much error"
            words.append(f"{row.name}: float32, {kept}")
    return "; ".join(words)


def run(model: ModelProto, inputs: Arrays, wanted: list[str]) -> Arrays:
    """The outputs of these names, by name."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(wanted, session.run(wanted, inputs), strict=True))


def _candidates(rows: list[Row]) -> Iterator[Row]:
    """The rows that a runtime may compute faster in integers."""
    for at, row in enumerate(rows):
        after = rows[at + 1] if at + 1 < len(rows) else None
        if isinstance(row.layer, ConvTranspose):
            return
        if isinstance(row.layer, Dense) or (
            isinstance(row.layer, Conv)
            and at > 0
            and after is not None
            and not (isinstance(after.layer, MaxPool) and after.layer.switch)
            and row.act in (None, "Relu")
        ):
            yield row


def _storable(rows: list[Row]) -> Iterator[Row]:
    """The rows whose weights are worth 8 bits, and whose outputs may be off by their rounding."""
    for at, row in enumerate(rows):
        after = rows[at + 1].layer if at + 1 < len(rows) else None
        if row.weight.size >= SMALLEST and not (isinstance(after, MaxPool) and after.switch):
            yield row


def _quantise_stack(rows: list[Row], inputs: Ports, arrays: Arrays, chosen: dict[str, str]) -> list[Row]:
    """The rows with those chosen in 8 bits, calibrated on the input arrays of the stack."""
    rows = [
        row._replace(weight_scale=_weight_scale(row.weight)) if chosen.get(row.name) == INTEGER else row
        for row in rows
    ]
    names = [next(iter(inputs))]  # of the input of each row, and of the output of the last
    for row in rows:
        names.append(names[-1] if isinstance(row.layer, Branch) else _output_name(row))
    products = [row.name for row in rows if row.name in chosen]
    between = [name for name in names if name not in inputs]
    exact = {**arrays, **_run_stack(rows, inputs, arrays, [*between, *products]), "image": PIXELS}
    rows = _with_quant_params(rows, [exact[name] for name in names[:-1]])
    for at, row in enumerate(rows):
        if chosen.get(row.name) == STORED:
            rows[at] = row = row._replace(stored_scale=_weight_scale(row.weight))
        if row.name in products:
            (quantised,) = _run_stack(rows, inputs, arrays, [row.name]).values()
            bias, moved = row.bias.copy(), _means(exact[row.name]) - _means(quantised)
            bias[: len(moved)] += moved  # of a Gaussian row only the mean, not the log variance
            rows[at] = row._replace(bias=bias)
    return rows


def _with_quant_params(rows: list[Row], values: list[NDArray[Any]]) -> list[Row]:
    """Scale and zero point for the input of a quantised row, for the reshapes before it, and for
    the output of a quantised row that a runtime fuses with its quantisation.

    `values` are the inputs of the rows.
    """
    result = list(rows)
    next_takes_uint8 = False
    for at in reversed(range(len(rows))):
        row, before = rows[at], rows[at - 1] if at else None
        fuses = before is not None and before.weight_scale is not None and _fuses_output(before)
        passes_on = next_takes_uint8 and isinstance(row.layer, Flatten | Unflatten)
        next_takes_uint8 = row.weight_scale is not None or fuses or passes_on
        if next_takes_uint8:
            result[at] = row._replace(quant=_quant_params(values[at]))
    return result


def _fuses_output(row: Row) -> bool:
    return isinstance(row.layer, Conv) or row.act == "Relu"


def _quant_params(values: NDArray[Any]) -> QuantParams:
    """256 steps over the range of the values, which includes 0."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = float(np.float32((high - low) / 255)) or 1.0
    return QuantParams(scale, round(-low / scale))


def _weight_scale(weight: Double) -> NDArray[np.float32]:
    """The scale of each output that gives the least squared error."""
    outputs = weight.reshape(len(weight), -1)
    widest = np.abs(outputs).max(axis=1)
    scales = np.where(widest > 0, widest, 1.0)[:, np.newaxis] * CLIP_RATIOS / WEIGHT_STEPS
    errors = [
        np.square(np.clip(np.rint(outputs / scale), -WEIGHT_STEPS, WEIGHT_STEPS) * scale - outputs).sum(
            axis=1
        )
        for scale in scales.T[..., np.newaxis]
    ]
    return np.take_along_axis(scales, np.argmin(errors, axis=0)[:, np.newaxis], axis=1)[:, 0].astype(
        np.float32
    )


def _means(values: NDArray[Any]) -> Double:
    """Means over all axes but the second, that of the outputs."""
    means: Double = values.mean(
        axis=tuple(axis for axis in range(values.ndim) if axis != 1), dtype=np.float64
    )
    return means


def _run_stack(rows: list[Row], inputs: Ports, arrays: Arrays, wanted: list[str]) -> Arrays:
    """The values of the tensors of these names."""
    result = _output_name(rows[-1])
    model = build("calibration", rows, inputs, {result: (FLOAT, rows[-1].output)}, {})
    model.graph.output.extend(
        helper.make_tensor_value_info(name, FLOAT, None) for name in dict.fromkeys(wanted) if name != result
    )
    return run(model, arrays, wanted)


def _output_name(row: Row) -> str:
    """The name of the output tensor of a row."""
    return f"{row.name}/{row.act.lower()}" if row.act else row.name
