"""Rows to rows that compute in 8 bits: scales from the weights and from what training images bring,
and biases set right.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, helper

from ...architecture.layers import Branch, Conv, ConvTranspose, Dense, Flatten, MaxPool, Unflatten
from .lowering import Double, Grid, Row, without_reshapes
from .nodes import FLOAT, WIDEST, Ports, build

TOLERATED = 0.015  # rise of the mean squared error of the images that the grids are fitted to, as a share
CLIPPED = np.linspace(
    0.6, 1.0, 41
)  # how far a weight's grid may reach, as a share of the largest weight of its output
PIXELS = np.array([0.0, 1.0])  # what an image may hold

Arrays = dict[str, NDArray[Any]]
Rows = dict[str, list[Row]]


def quantise(stacks: Rows, ports: dict[str, tuple[Ports, Ports]], images: NDArray[np.float32]) -> Rows:
    """The stacks "encoder" and "decoder" with dense layers and convolutions in 8 bits, the rest as
    it was.

    `images`, float32 of shape (n, C, H, W), are what the grids are fitted to, `ports` the inputs
    and outputs of the graphs. Weights: an odd number of steps around 0 for each output, whose width
    gives the least squared error. Tensors: 256 steps from the least to the greatest value met.
    Biases: moved so that the mean of each output, before the activation, is what it was (bias
    correction: Nagel et al. 2019, "Data-free quantization through weight equalization and bias
    correction"), from the first row to the last, since each mean depends on the rows before.

    Float32 stay transposed convolutions, for which onnxruntime has no integer operator;
    convolutions over the image itself, which have few weights and are slower in integers; those
    whose maxima are looked for in pooling windows with switches, where a coarse grid would make
    ties; whatever follows a transposed convolution, which onnxruntime would then quantise for
    itself, to turn its weights back at every run; those that onnxruntime would not run as one
    integer operator; and, while all together raise the error of the reconstructions by more than
    `TOLERATED`, the row that alone raises it most for the bytes it saves.
    """
    codes = run(
        build("encoder", stacks["encoder"], *ports["encoder"], {}),
        {"image": images},
        list(ports["encoder"][1]),
    )
    given = {"encoder": {"image": images}, "decoder": {name: codes[name] for name in ports["decoder"][0]}}

    def quantised(chosen: set[str]) -> Rows:
        return {
            name: _quantise_stack(rows, ports[name][0], given[name], chosen) for name, rows in stacks.items()
        }

    def error(chosen: set[str]) -> float:
        rows = quantised(chosen)
        model = build(
            "autoencoder", without_reshapes(rows["encoder"] + rows["decoder"]), *ports["autoencoder"], {}
        )
        (found,) = run(model, {"image": images}, list(ports["autoencoder"][1])).values()
        return float(np.square(found - images, dtype=np.float64).mean())

    sizes = {row.name: row.weight.size for rows in stacks.values() for row in _candidates(rows)}
    chosen, before = set(sizes), error(set())
    rises: dict[str, float] = {}
    while chosen and error(chosen) > before * (1 + TOLERATED):
        rises = rises or {name: error({name}) - before for name in sizes}
        chosen.remove(max(chosen, key=lambda name: rises[name] / sizes[name]))
    return quantised(chosen)


def run(model: ModelProto, given: Arrays, wanted: list[str]) -> Arrays:
    """The outputs of these names."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(wanted, session.run(wanted, given), strict=True))


def _candidates(rows: list[Row]) -> Iterator[Row]:
    """The rows that may be better off in integers."""
    for before, row, after in zip([None, *rows], rows, [*rows[1:], None], strict=False):
        match row.layer:
            case Dense():
                yield row
            case Conv():
                for_switches = (
                    after is not None and isinstance(after.layer, MaxPool) and after.layer.switch is not None
                )
                if (
                    before is not None
                    and after is not None
                    and not for_switches
                    and row.act in (None, "Relu")
                ):
                    yield row
            case ConvTranspose():
                return
            case _:
                pass


def _quantise_stack(rows: list[Row], inputs: Ports, given: Arrays, chosen: set[str]) -> list[Row]:
    """The rows, those of the chosen names in 8 bits, fitted to what comes when the stack is given
    these arrays.
    """
    rows = [
        row._replace(weight_scale=_weight_scale(row.weight)) if row.name in chosen else row for row in rows
    ]
    names = [next(iter(inputs))]
    for row in rows:
        names.append(names[-1] if isinstance(row.layer, Branch) else _result(row))
    meant = {
        **given,
        **_run_stack(
            rows,
            inputs,
            given,
            [
                *(name for name in names if name not in inputs),
                *(row.name for row in rows if row.weight_scale is not None),
            ],
        ),
        "image": PIXELS,
    }
    rows = _with_grids(rows, [meant[name] for name in names[:-1]])
    for at, row in enumerate(rows):
        if row.weight_scale is not None:
            (found,) = _run_stack(rows, inputs, given, [row.name]).values()
            rows[at] = row._replace(bias=row.bias + _means(meant[row.name]) - _means(found))
    return rows


def _with_grids(rows: list[Row], taken: list[NDArray[Any]]) -> list[Row]:
    """A grid for what a quantised row takes, also where it is reshaped on the way, and for what it
    gives, if that is to be one operator.
    """
    result: list[Row] = []
    needed = False
    for row, before, values in reversed(list(zip(rows, [None, *rows], taken, strict=False))):
        given = (
            before is not None
            and before.weight_scale is not None
            and (isinstance(before.layer, Conv) or before.act == "Relu")
        )
        needed = (
            row.weight_scale is not None or given or (needed and isinstance(row.layer, Flatten | Unflatten))
        )
        result.append(row._replace(grid=_grid(values)) if needed else row)
    return result[::-1]


def _grid(values: NDArray[Any]) -> Grid:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = float(np.float32((high - low) / 255)) or 1.0
    return Grid(scale, round(-low / scale))


def _weight_scale(weight: Double) -> NDArray[np.float32]:
    """The width of a step, for each output."""
    outputs = weight.reshape(len(weight), -1)
    widest = np.abs(outputs).max(axis=1)
    scales = np.where(widest > 0, widest, 1.0)[:, np.newaxis] * CLIPPED / WIDEST
    errors = [
        np.square(np.clip(np.rint(outputs / scale), -WIDEST, WIDEST) * scale - outputs).sum(axis=1)
        for scale in scales.T[..., np.newaxis]
    ]
    return np.take_along_axis(scales, np.argmin(errors, axis=0)[:, np.newaxis], axis=1)[:, 0].astype(
        np.float32
    )


def _means(values: NDArray[Any]) -> Double:
    """By output: the second axis."""
    means: Double = values.mean(
        axis=tuple(axis for axis in range(values.ndim) if axis != 1), dtype=np.float64
    )
    return means


def _run_stack(rows: list[Row], inputs: Ports, given: Arrays, wanted: list[str]) -> Arrays:
    """What the tensors of these names hold."""
    result = _result(rows[-1])
    model = build("calibration", rows, inputs, {result: (FLOAT, rows[-1].output)}, {})
    model.graph.output.extend(
        helper.make_tensor_value_info(name, FLOAT, None) for name in dict.fromkeys(wanted) if name != result
    )
    return run(model, given, wanted)


def _result(row: Row) -> str:
    """The name of the tensor that a row gives."""
    return f"{row.name}/{row.act.lower()}" if row.act else row.name
