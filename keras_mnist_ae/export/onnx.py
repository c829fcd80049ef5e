"""Tables and weights to ONNX graphs: a node for each row and each activation, everything else folded into weights and attributes."""

from collections.abc import Mapping
from typing import Any, NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from .. import __version__
from ..architecture import (
    BATCH_NORM_EPSILON,
    Activation,
    Conv,
    ConvTranspose,
    Dense,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    MaxUnpool,
    Rescale,
    Shape,
    Stack,
    Unflatten,
    Variant,
)
from .weights import Array, Weights, fingerprint

OPSET = 17
IR_VERSION = 8
FLOAT, UINT8, BOOL = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.BOOL

Double = NDArray[np.float64]
Ports = dict[str, tuple[int, Shape]]  # a graph's inputs or outputs: element type, and shape without the batch

NOTHING = np.empty(0)


class Row(NamedTuple):
    """A row on its way to nodes. Its weights, if the layer has any, are float64 until they are written, so that folding rounds once."""

    name: str
    layer: Layer
    input: Shape
    output: Shape
    weight: Double = NOTHING
    bias: Double = NOTHING
    act: str | None = None  # an ONNX operator


def emit(variant: Variant, weights: Weights, metadata: Mapping[str, str]) -> dict[str, ModelProto]:
    """The graphs "encoder", "decoder" and "autoencoder" of a variant: float32, for any batch.

    Their tensors are `image` and `reconstruction` of shape (batch, C, H, W) in [0, 1], `latent` (batch, d) and, where the variant pools
    with switches, `switch_a`, ... uint8 (batch, C, h, w), values 0..3. `weights` are what `weights.read` gives. Each entry of `metadata` is
    stored as `kae.<key>`, beside what the graphs say of themselves. Equal arguments give equal bytes, given
    `SerializeToString(deterministic=True)`.
    """
    encoder, decoder = (
        _without_reshapes(_dense(_fold_rescales(_rows(name, stack, weights))))
        for name, stack in (("encoder", variant.encoder), ("decoder", variant.decoder))
    )
    image, latent = (FLOAT, variant.image), (FLOAT, (variant.latent,))
    switches = {f"switch_{name}": (UINT8, shape) for name, shape in variant.switches.items()}
    properties = {
        **metadata,
        "variant": variant.name,
        "version": __version__,
        "pixel_range": "[0, 1]",
        "latent_size": str(variant.latent),
        "weights_sha256": fingerprint(weights),
    }
    return {
        "encoder": _model("encoder", encoder, {"image": image}, {"latent": latent, **switches}, properties),
        "decoder": _model("decoder", decoder, {"latent": latent, **switches}, {"reconstruction": image}, properties),
        "autoencoder": _model("autoencoder", _without_reshapes(encoder + decoder), {"image": image}, {"reconstruction": image}, properties),
    }


def _rows(prefix: str, stack: Stack, weights: Weights) -> list[Row]:
    rows = []
    for step in stack:
        row = Row(f"{prefix}/{step.name}", step.layer, step.input, step.output)
        if isinstance(step.layer, Conv | ConvTranspose | Dense):
            arrays = weights[prefix][step.name]
            row = row._replace(weight=arrays["weight"].astype(np.float64), act=_operator(step.layer.act))
            if "bias" in arrays:
                row = row._replace(bias=arrays["bias"].astype(np.float64))
            else:
                row = _fold_norm(row, weights[prefix][f"{step.name}_norm"])
        rows.append(row)
    return rows


def _operator(act: Activation | None) -> str | None:
    match act:
        case "relu":
            return "Relu"
        case "tanh":
            return "Tanh"
        case None:
            return None
        case _:
            assert_never(act)


def _fold_norm(row: Row, norm: dict[str, Array]) -> Row:
    """The convolution that does its batch normalisation as well."""
    gain = norm["weight"] / np.sqrt(norm["running_var"].astype(np.float64) + BATCH_NORM_EPSILON)
    outputs_along = (1, -1, 1, 1) if isinstance(row.layer, ConvTranspose) else (-1, 1, 1, 1)
    return row._replace(weight=row.weight * gain.reshape(outputs_along), bias=norm["bias"] - norm["running_mean"] * gain)


def _dense(rows: list[Row]) -> list[Row]:
    """A convolution that gives a single pixel, or a transposed one that takes a single pixel, as the dense layer it is."""
    found = []
    for row in rows:
        match row.layer:
            case Conv(p=p) if row.output[1:] == (1, 1):
                height, width = row.input[1:]
                seen = row.weight[:, :, p : p + height, p : p + width]  # the rest of the kernel lies on the padding
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


def _without_reshapes(rows: list[Row]) -> list[Row]:
    """Without flattening that is undone at once, or the other way round."""
    kept: list[Row] = []
    for row in rows:
        undone = kept and all(isinstance(each.layer, Flatten | Unflatten) for each in (kept[-1], row)) and kept[-1].input == row.output
        if undone:
            kept.pop()
        else:
            kept.append(row)
    return kept


def _fold_rescales(rows: list[Row]) -> list[Row]:
    """Without the Rescale rows that the weights before or after them, past any flattening, can do exactly."""
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
        # (tanh(x) + 1) / 2 is the sigmoid of 2x. In onnxruntime the two differ by 3e-7 at most, both 2e-7 from the true value.
        return row._replace(weight=row.weight * 2, bias=row.bias * 2, act="Sigmoid")
    return None


def _after(row: Row, rescale: Rescale) -> Row | None:
    """One row that does the rescaling, then `row`; None where there is no such row: the zeros of a padding would be rescaled too."""
    layer = row.layer
    if isinstance(layer, Dense) or (isinstance(layer, Conv) and (layer.p == 0 or rescale.offset == 0)):
        sums = row.weight.reshape(len(row.weight), -1).sum(axis=1)
        return row._replace(weight=row.weight * rescale.scale, bias=row.bias + rescale.offset * sums)
    return None


def _model(name: str, rows: list[Row], inputs: Ports, outputs: Ports, properties: dict[str, str]) -> ModelProto:
    nodes = _Nodes(switches={port: port for port in inputs if port.startswith("switch_")})
    tensor, result = next(iter(inputs)), next(iter(outputs))
    for row in rows:
        tensor = nodes.add(row, tensor)
    nodes.rename({tensor: result, **{nodes.switches[port]: port for port in outputs if port != result}})
    graph = helper.make_graph(
        nodes.nodes,
        name,
        _described(inputs),
        _described(outputs),
        [numpy_helper.from_array(array, name) for name, array in nodes.constants.items()],
        value_info=_described(nodes.tensors),
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="keras_mnist_ae",
        producer_version=__version__,
    )
    helper.set_model_props(model, {f"kae.{key}": properties[key] for key in sorted(properties)})
    return model


def _described(ports: Ports) -> list[ValueInfoProto]:
    return [helper.make_tensor_value_info(name, kind, ["batch", *shape]) for name, (kind, shape) in ports.items()]


class _Nodes:
    """The nodes of a graph as they gather. A node and its result bear the same name, and its constants stand below it: conv1/weight."""

    def __init__(self, switches: dict[str, str]) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.tensors: Ports = {}  # what lies between the nodes
        self.switches = switches  # the tensor of each pooling switch, by its public name

    def add(self, row: Row, x: str) -> str:
        """Add the nodes of a row that takes tensor `x`; give the name of its result."""
        name, layer, shape = row.name, row.layer, row.output
        match layer:
            case Conv() | ConvTranspose():
                window: dict[str, Any] = {"kernel_shape": [layer.k] * 2, "strides": [layer.s] * 2, "pads": [layer.p] * 4}
                x = self._node(type(layer).__name__, [x, *self._weights(row)], name, shape, **window)
            case Dense():
                x = self._node("Gemm", [x, *self._weights(row)], name, shape, transB=1)
            case MaxPool():
                x = self._pool(name, layer.switch, shape, x)
            case MaxUnpool():
                x = self._unpool(name, layer.switch, shape, x)
            case GlobalAveragePool():
                x = self._node("GlobalAveragePool", [x], name, shape)
            case Flatten():
                x = self._node("Flatten", [x], name, shape)
            case Unflatten():
                x = self._node("Reshape", [x, self._constant(f"{name}/shape", np.array([0, *shape]))], name, shape)  # 0: as it is
            case Rescale():
                x = self._node("Mul", [x, self._constant(f"{name}/scale", np.float32(layer.scale))], f"{name}/scaled", shape)
                x = self._node("Add", [x, self._constant(f"{name}/offset", np.float32(layer.offset))], name, shape)
            case _:
                assert_never(layer)
        return self._node(row.act, [x], f"{name}/{row.act.lower()}", shape) if row.act else x

    def rename(self, names: dict[str, str]) -> None:
        """Give tensors that leave the graph their public names."""
        for node in self.nodes:
            node.input[:] = [names.get(tensor, tensor) for tensor in node.input]
            node.output[:] = [names.get(tensor, tensor) for tensor in node.output]
        self.tensors = {name: port for name, port in self.tensors.items() if name not in names}

    def _pool(self, name: str, switch: str | None, shape: Shape, x: str) -> str:
        """Maximum of each 2 x 2 window and, for a switch, the place of the first one: 0 1 in the top row, 2 3 below.

        Pooling the first pixel, the top row and the left column of the window as well costs less than any way of taking the window apart
        (SpaceToDepth, Slice, ArgMax), and none of it depends on the batch or on how a runtime breaks ties.
        """
        maximum = self._node("MaxPool", [x], name, shape, kernel_shape=[2, 2], strides=[2, 2])
        if switch:
            place = self._place(3)
            # From the last test to the first: if the pixel itself holds the maximum, the row and the column hold it too.
            for answer, part, kernel in ((2, "left", [2, 1]), (1, "top", [1, 2]), (0, "first", [1, 1])):
                of_part = self._node("MaxPool", [x], f"{name}/{part}", shape, kernel_shape=kernel, strides=[2, 2])
                found = self._node("Equal", [of_part, maximum], f"{name}/{part}/found", shape, BOOL)
                place = self._node("Where", [found, self._place(answer), place], f"{name}/{part}/place", shape, UINT8)
            self.switches[f"switch_{switch}"] = place
        return maximum

    def _unpool(self, name: str, switch: str, shape: Shape, x: str) -> str:
        """Every value and its switch on all four pixels of their window; the value stays on the pixel that the switch names."""
        twice = self._constant("twice", np.array([1, 1, 2, 2], np.float32))
        nearest: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        switches = self._node("Resize", [self.switches[f"switch_{switch}"], "", twice], f"{name}/switches", shape, UINT8, **nearest)
        values = self._node("Resize", [x, "", twice], f"{name}/values", shape, **nearest)
        places = np.tile(np.array([[0, 1], [2, 3]], np.uint8), (shape[1] // 2, shape[2] // 2))
        here = self._node("Equal", [switches, self._constant(f"{name}/places", places)], f"{name}/here", shape, BOOL)
        return self._node("Where", [here, values, self._constant("zero", np.float32(0))], name, shape)

    def _place(self, place: int) -> str:
        return self._constant(f"place/{place}", np.uint8(place))

    def _weights(self, row: Row) -> list[str]:
        return [self._constant(f"{row.name}/{name}", getattr(row, name).astype(np.float32)) for name in ("weight", "bias")]

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def _node(self, operator: str, inputs: list[str], name: str, shape: Shape, kind: int = FLOAT, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        self.tensors[name] = (kind, shape)
        return name
