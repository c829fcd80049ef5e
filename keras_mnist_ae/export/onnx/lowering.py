"""Tables and weights to the rows that graphs are made of: everything that needs no node of its own
is folded into weights.
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
from ...architecture.variant import Stack, Step
from ..weights import Array

Double = NDArray[np.float64]

NOTHING = np.empty(0)


class Grid(NamedTuple):
    """Numbers as uint8: x is (q - zero) * scale."""

    scale: float
    zero: int


class Row(NamedTuple):
    """A row on its way to nodes. Its weights, if the layer has any, are float64 until they are
    written, so that folding rounds once.
    """

    name: str
    layer: Layer
    input: Shape
    output: Shape
    weight: Double = NOTHING
    bias: Double = NOTHING
    act: str | None = None  # an ONNX operator, or Silu, which is two
    grid: Grid | None = None  # how the tensor it takes is quantised; None: not
    weight_scale: Array | None = None  # how the weight is, by output; None: not
    pads: tuple[int, int, int, int] | None = (
        None  # of a convolution: top, left, bottom, right; None: the layer's on every side
    )


def lower(name: str, stack: Stack, weights: dict[str, dict[str, Array]]) -> list[Row]:
    """The rows of a stack and its weights, batch normalisation, dropout and rescaling folded away,
    what is a dense layer written as one.
    """
    steps = [step for step in stack if not isinstance(step.layer, Dropout)]
    return without_reshapes(
        _dense(_fold_rescales([_row(f"{name}/{step.name}", step, weights) for step in steps]))
    )


def _row(name: str, step: Step, weights: dict[str, dict[str, Array]]) -> Row:
    row = Row(name, step.layer, step.input, step.output)
    if isinstance(
        step.layer, Gaussian
    ):  # the weights of the mean, then those of the logarithm of the variance
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
    """The layer that does its batch normalisation as well."""
    gain = norm["weight"] / np.sqrt(norm["running_var"].astype(np.float64) + BATCH_NORM_EPSILON)
    along = 1 if isinstance(row.layer, ConvTranspose) else 0  # the axis of the outputs
    outputs_along = [-1 if axis == along else 1 for axis in range(row.weight.ndim)]
    return row._replace(
        weight=row.weight * gain.reshape(outputs_along), bias=norm["bias"] - norm["running_mean"] * gain
    )


def _dense(rows: list[Row]) -> list[Row]:
    """A convolution that gives a single pixel, or a transposed one that takes a single pixel, as
    the dense layer it is.
    """
    found = []
    for row in rows:
        match row.layer:
            case Conv(p=p) if row.output[1:] == (1, 1):
                height, width = row.input[1:]
                seen = row.weight[
                    :, :, p : p + height, p : p + width
                ]  # the rest of the kernel lies on the padding
                weight = np.zeros((len(seen), *row.input))
                weight[:, :, : seen.shape[2], : seen.shape[3]] = seen
                found += _as_dense(row, weight.reshape(len(weight), -1), row.bias)
            case ConvTranspose(p=p) if row.input[1:] == (1, 1):
                height, width = row.output[1:]
                weight = row.weight[:, :, p : p + height, p : p + width]
                found += _as_dense(row, weight.reshape(len(weight), -1).T, row.bias.repeat(height * width))
            case _:
                found.append(row)
    return found


def _as_dense(row: Row, weight: Double, bias: Double) -> list[Row]:
    outputs, inputs = weight.shape
    return [
        Row(f"{row.name}/flatten", Flatten(), row.input, (inputs,)),
        Row(row.name, Dense(inputs, outputs), (inputs,), (outputs,), weight, bias, row.act),
        Row(f"{row.name}/unflatten", Unflatten(*row.output), (outputs,), row.output),
    ]


def without_reshapes(rows: list[Row]) -> list[Row]:
    """Without flattening that is undone at once, or the other way round."""
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
    """Without the Rescale rows that the weights before or after them, past any flattening, can do
    exactly.
    """
    rows = list(rows)
    for at in reversed(range(len(rows))):
        rescale = rows[at].layer
        if isinstance(rescale, Rescale):
            for step, fold in ((-1, _then), (1, _after)):
                near = at + step
                while 0 <= near < len(rows) and isinstance(rows[near].layer, Flatten | Unflatten):
                    near += step
                folded = fold(rows[near], rescale) if 0 <= near < len(rows) else None
                if folded:
                    rows[near] = folded
                    del rows[at]
                    break
    return rows


def _then(row: Row, rescale: Rescale) -> Row | None:
    """One row that does `row`, then the rescaling; None where there is no such row."""
    if not isinstance(row.layer, Conv | ConvTranspose | Dense):
        return None
    if row.act is None:
        return row._replace(weight=row.weight * rescale.scale, bias=row.bias * rescale.scale + rescale.offset)
    if row.act == "Tanh" and rescale.scale == rescale.offset == 0.5:
        # (tanh(x) + 1) / 2 is the sigmoid of 2x. In onnxruntime the two differ by 3e-7 at most,
        # both 2e-7 from the true value.
        return row._replace(weight=row.weight * 2, bias=row.bias * 2, act="Sigmoid")
    return None


def _after(row: Row, rescale: Rescale) -> Row | None:
    """One row that does the rescaling, then `row`; None where there is no such row: the zeros of a
    padding would be rescaled too.
    """
    layer = row.layer
    if isinstance(layer, Dense) or (isinstance(layer, Conv) and (layer.p == 0 or rescale.offset == 0)):
        sums = row.weight.reshape(len(row.weight), -1).sum(axis=1)
        return row._replace(weight=row.weight * rescale.scale, bias=row.bias + rescale.offset * sums)
    return None
