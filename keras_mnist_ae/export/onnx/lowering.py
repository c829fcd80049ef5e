"""Lowering: a table and its weights to rows for the graph, with normalisation, dropout and
rescaling folded into weights.
"""

from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from ...architecture.layers import (
    BATCH_NORM_EPSILON,
    Activation,
    Add,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    Layer,
    Rescale,
    Unflatten,
)
from ...architecture.shapes import Shape
from ...architecture.stack import Stack, Step
from ..weights import Array

Double = NDArray[np.float64]

NOTHING = np.empty(0)


class QuantParams(NamedTuple):
    """A tensor as uint8: x = (q - zero_point) * scale."""

    scale: float
    zero_point: int


class Row(NamedTuple):
    """A row on its way to nodes. Weights stay float64 until they are written, so that folding
    rounds once.
    """

    name: str
    layer: Layer
    input: Shape
    output: Shape
    weight: Double = NOTHING
    bias: Double = NOTHING
    act: str | None = None  # an ONNX operator, or Silu, which is two
    quant: QuantParams | None = None  # of its input; None leaves it in floating point
    weight_scale: Array | None = None  # per output; None leaves the weight in floating point
    stored_scale: Array | None = None  # of a weight kept in 8 bits but computed in floating point
    # of a convolution: top, left, bottom, right; None takes the layer's padding on every side
    pads: tuple[int, int, int, int] | None = None


def lower(name: str, stack: Stack, weights: dict[str, dict[str, Array]]) -> list[Row]:
    """The rows of a stack without batch normalisation, dropout and rescaling, which are folded into
    the weights; convolutions from or to a single pixel become dense layers.
    """
    steps = [step for step in stack if not isinstance(step.layer, Dropout)]
    return without_reshapes(
        _dense(_fold_rescales([_row(f"{name}/{step.name}", step, weights) for step in steps]))
    )


def _row(name: str, step: Step, weights: dict[str, dict[str, Array]]) -> Row:
    row = Row(name, step.layer, step.input, step.output)
    if isinstance(step.layer, Gaussian):  # the weights of the mean, then those of the log variance
        both = weights[step.name], weights[f"{step.name}_log_variance"]
        weight, bias = (
            np.concatenate([each[kind] for each in both]).astype(np.float64) for kind in ("weight", "bias")
        )
        return row._replace(weight=weight, bias=bias)
    if isinstance(step.layer, Add):
        return row._replace(act=_operator(step.layer.act))
    if not isinstance(step.layer, Conv | ConvTranspose | Dense):
        return row
    arrays = weights[step.name]
    row = row._replace(weight=arrays["weight"].astype(np.float64), act=_operator(step.layer.act))
    if "bias" in arrays:
        return row._replace(bias=arrays["bias"].astype(np.float64))
    return _fold_norm(row, weights[f"{step.name}_norm"])


def _operator(act: Activation | None) -> str | None:
    match act:
        case "relu":
            return "Relu"
        case "tanh":
            return "Tanh"
        case "sigmoid":
            return "Sigmoid"
        case "silu":
            return "Silu"
        case None:
            return None
        case _:
            assert_never(act)


def _fold_norm(row: Row, norm: dict[str, Array]) -> Row:
    """The layer with its batch normalisation folded into weight and bias."""
    gain = norm["weight"] / np.sqrt(norm["running_var"].astype(np.float64) + BATCH_NORM_EPSILON)
    along = 1 if isinstance(row.layer, ConvTranspose) else 0  # the axis of the outputs
    outputs_along = [-1 if axis == along else 1 for axis in range(row.weight.ndim)]
    return row._replace(
        weight=row.weight * gain.reshape(outputs_along), bias=norm["bias"] - norm["running_mean"] * gain
    )


def _dense(rows: list[Row]) -> list[Row]:
    """Rows in which a convolution to a single pixel, or a transposed one from a single pixel, is
    the dense layer that it amounts to.
    """
    result = []
    for row in rows:
        match row.layer:
            case Conv(p=p) if row.output[1:] == (1, 1):
                height, width = row.input[1:]
                # the rest of the kernel lies on the padding
                visible = row.weight[:, :, p : p + height, p : p + width]
                weight = np.zeros((len(visible), *row.input))
                weight[:, :, : visible.shape[2], : visible.shape[3]] = visible
                result += _as_dense(row, weight.reshape(len(weight), -1), row.bias)
            case ConvTranspose(p=p) if row.input[1:] == (1, 1):
                height, width = row.output[1:]
                weight = row.weight[:, :, p : p + height, p : p + width]
                result += _as_dense(row, weight.reshape(len(weight), -1).T, row.bias.repeat(height * width))
            case _:
                result.append(row)
    return result


def _as_dense(row: Row, weight: Double, bias: Double) -> list[Row]:
    outputs, inputs = weight.shape
    return [
        Row(f"{row.name}/flatten", Flatten(), row.input, (inputs,)),
        Row(row.name, Dense(inputs, outputs), (inputs,), (outputs,), weight, bias, row.act),
        Row(f"{row.name}/unflatten", Unflatten(*row.output), (outputs,), row.output),
    ]


def without_reshapes(rows: list[Row]) -> list[Row]:
    """Without pairs of Flatten and Unflatten that undo each other."""
    kept: list[Row] = []
    for row in rows:
        undone = (
            kept
            and all(isinstance(each.layer, Flatten | Unflatten) for each in (kept[-1], row))
            and kept[-1].input == row.output
        )
        if undone:
            kept.pop()
        else:
            kept.append(row)
    return kept


def _fold_rescales(rows: list[Row]) -> list[Row]:
    """Without the Rescale rows that can be folded exactly into the weights before or after them."""
    rows = list(rows)
    for at in reversed(range(len(rows))):
        rescale = rows[at].layer
        if isinstance(rescale, Rescale):
            for step, fold in ((-1, _fold_after), (1, _fold_before)):
                near = at + step
                while 0 <= near < len(rows) and isinstance(rows[near].layer, Flatten | Unflatten):
                    near += step
                folded = fold(rows[near], rescale) if 0 <= near < len(rows) else None
                if folded:
                    rows[near] = folded
                    del rows[at]
                    break
    return rows


def _fold_after(row: Row, rescale: Rescale) -> Row | None:
    """A row equal to `row` followed by the rescaling, or None."""
    if not isinstance(row.layer, Conv | ConvTranspose | Dense):
        return None
    if row.act is None:
        return row._replace(weight=row.weight * rescale.scale, bias=row.bias * rescale.scale + rescale.offset)
    if row.act == "Tanh" and rescale.scale == rescale.offset == 0.5:
        # (tanh(x) + 1) / 2 is the sigmoid of 2x. In onnxruntime the two differ by 3e-7 at most,
        # both 2e-7 from the true value.
        return row._replace(weight=row.weight * 2, bias=row.bias * 2, act="Sigmoid")
    return None


def _fold_before(row: Row, rescale: Rescale) -> Row | None:
    """A row equal to the rescaling followed by `row`, or None: an offset would also have to reach
    the zeros of a padding.
    """
    layer = row.layer
    if isinstance(layer, Dense) or (isinstance(layer, Conv) and (layer.p == 0 or rescale.offset == 0)):
        sums = row.weight.reshape(len(row.weight), -1).sum(axis=1)
        return row._replace(weight=row.weight * rescale.scale, bias=row.bias + rescale.offset * sums)
    return None
