"""Rows to an ONNX graph: a node for each row and each activation."""

from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ... import __version__
from ...architecture.layers import (
    Add,
    Branch,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    GlobalAveragePool,
    MaxPool,
    MaxUnpool,
    Rescale,
    Unflatten,
)
from ...architecture.shapes import Shape
from .lowering import QuantParams, Row
from .pooling import pool, unpool

OPSET = 17
IR_VERSION = 8
FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8
WEIGHT_ZERO_POINT = 128
WEIGHT_STEPS = 127  # of a quantised weight on either side of 0

Ports = dict[str, tuple[int, Shape]]  # a graph's inputs or outputs: element type, and shape without the batch


def build(
    name: str, rows: list[Row], inputs: Ports, outputs: Ports, properties: dict[str, str], kind: int = FLOAT
) -> ModelProto:
    """The graph of some rows, with float32 ports, computing in `kind` of floating point.

    Quantised rows are written in ONNX' QDQ form: QuantizeLinear and DequantizeLinear around the
    input, DequantizeLinear behind the weights, which a runtime fuses to one integer operator.
    """
    nodes = Nodes(kind, set(outputs), {port: port for port in inputs if port.startswith("switch_")})
    (tensor, (_, shape)), result = next(iter(inputs.items())), next(iter(outputs))
    tensor = nodes.cast(tensor, kind, shape)
    for row in rows:
        tensor = nodes.add(row, tensor)
    tensor = nodes.cast(tensor, FLOAT, outputs[result][1])
    others = {
        port: nodes.cast(nodes.extra[port], FLOAT, shape) if is_float else nodes.extra[port]
        for port, is_float, shape in _extra_outputs(outputs)
    }
    nodes.rename({tensor: result, **{tensor: port for port, tensor in others.items()}})
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


def _extra_outputs(outputs: Ports) -> list[tuple[str, bool, Shape]]:
    """Outputs other than the first: name, whether it is a floating point number, shape."""
    return [(name, kind == FLOAT, shape) for name, (kind, shape) in list(outputs.items())[1:]]


def _described(ports: Ports) -> list[ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, kind, ["batch", *shape]) for name, (kind, shape) in ports.items()
    ]


class Nodes:
    """Collects the nodes of a graph. A node and its output have the same name; its constants are
    named below it, such as conv1/weight.
    """

    def __init__(self, kind: int, wanted: set[str], extra: dict[str, str]) -> None:
        self.kind = kind  # element type between the nodes
        self.wanted = wanted  # names of the outputs
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.tensors: Ports = {}  # between the nodes
        self.extra = extra  # tensors of the outputs beside the first: pooling switches, log variance
        self.branches: dict[str, str] = {}  # input of each open residual block

    def add(self, row: Row, x: str) -> str:
        """Add the nodes of a row with input tensor `x`; the name of its output."""
        name, layer, shape = row.name, row.layer, row.output
        if row.quant:
            x = self._quantize_input(x, row.quant, row.input)
        match layer:
            case Conv() | ConvTranspose():
                window: dict[str, Any] = {
                    "kernel_shape": list(layer.kernel),
                    "strides": [layer.s] * 2,
                    "pads": list(row.pads or [layer.p] * 4),
                }
                x = self.node(type(layer).__name__, [x, *self._weights(row)], name, shape, **window)
            case Dense():
                x = self.node("Gemm", [x, *self._weights(row)], name, shape, transB=1)
            case Gaussian(outputs=size):
                names = [name, f"{name}/log_variance"] if "log_variance" in self.wanted else [name]
                for result, start in zip(names, (0, size), strict=False):
                    scale = row.stored_scale
                    part = row._replace(
                        name=result,
                        weight=row.weight[start:][:size],
                        bias=row.bias[start:][:size],
                        stored_scale=None if scale is None else scale[start:][:size],
                    )
                    self.node("Gemm", [x, *self._weights(part)], result, shape, transB=1)
                x, self.extra["log_variance"] = name, names[-1]
            case Branch(name=branch):
                self.branches[branch] = x
            case Add(name=branch):
                x = self.node("Add", [x, self.branches[branch]], name, shape)
            case Dropout():
                pass
            case MaxPool():
                x = pool(self, name, layer.switch, shape, x)
            case MaxUnpool():
                x = unpool(self, name, layer.switch, row.input, shape, x)
            case GlobalAveragePool():
                x = self.node("GlobalAveragePool", [x], name, shape)
            case Flatten():
                x = self.node("Flatten", [x], name, shape)
            case Unflatten():
                target = self.constant(f"{name}/shape", np.array([0, *shape]))  # 0 keeps the batch
                x = self.node("Reshape", [x, target], name, shape)
            case Rescale():
                x = self.node("Mul", [x, self.number(f"{name}/scale", layer.scale)], f"{name}/scaled", shape)
                x = self.node("Add", [x, self.number(f"{name}/offset", layer.offset)], name, shape)
            case _:
                assert_never(layer)
        if row.act == "Silu":  # an operator of its own from opset 24 on
            gate = self.node("Sigmoid", [x], f"{name}/sigmoid", shape)
            return self.node("Mul", [x, gate], f"{name}/silu", shape)
        return self.node(row.act, [x], f"{name}/{row.act.lower()}", shape) if row.act else x

    def cast(self, x: str, kind: int, shape: Shape) -> str:
        """A port's tensor as the element type between the nodes, or the other way round."""
        if self.kind == FLOAT:
            return x
        name = f"{x}/{TensorProto.DataType.Name(kind).lower()}"
        return self.node("Cast", [x], name, shape, kind, to=kind)

    def rename(self, names: dict[str, str]) -> None:
        """Give tensors that leave the graph their public names."""
        for node in self.nodes:
            node.input[:] = [names.get(tensor, tensor) for tensor in node.input]
            node.output[:] = [names.get(tensor, tensor) for tensor in node.output]
        self.tensors = {name: port for name, port in self.tensors.items() if name not in names}

    def _quantize_input(self, x: str, quant: QuantParams, shape: Shape) -> str:
        scale, zero = (
            self.constant(f"{x}/scale", np.float32(quant.scale)),
            self.constant(f"{x}/zero", np.uint8(quant.zero_point)),
        )
        quantised = self.node("QuantizeLinear", [x, scale, zero], f"{x}/quantized", shape, UINT8)
        return self.node("DequantizeLinear", [quantised, scale, zero], f"{x}/dequantized", shape)

    def _weights(self, row: Row) -> list[str]:
        if row.stored_scale is not None:
            return [self._stored(row, row.stored_scale), self.number(f"{row.name}/bias", row.bias)]
        if row.weight_scale is None or row.quant is None:
            return [
                self.number(f"{row.name}/weight", row.weight),
                self.number(f"{row.name}/bias", row.bias),
            ]
        scales = row.weight_scale.reshape(-1, *[1] * (row.weight.ndim - 1))
        weight = (
            np.clip(np.rint(row.weight / scales), -WEIGHT_STEPS, WEIGHT_STEPS) + WEIGHT_ZERO_POINT
        ).astype(np.uint8)
        product = np.float32(row.quant.scale) * row.weight_scale  # scale of the sums, and the bias
        bias = np.rint(row.bias / product).astype(np.int32)
        return [
            self._dequantised(f"{row.name}/weight", weight, row.weight_scale, WEIGHT_ZERO_POINT),
            self._dequantised(f"{row.name}/bias", bias, product, 0),
        ]

    def _stored(self, row: Row, scale: NDArray[np.float32]) -> str:
        """Weights of 8 bits that a runtime turns to float32 once, when it loads the graph: it folds
        Cast and Mul of constants, but not DequantizeLinear.
        """
        name, scales = f"{row.name}/weight", scale.reshape(-1, *[1] * (row.weight.ndim - 1))
        steps = np.clip(np.rint(row.weight / scales), -WEIGHT_STEPS, WEIGHT_STEPS).astype(np.int8)
        cast = self.node("Cast", [self.constant(name, steps)], f"{name}/float", None, to=FLOAT)
        factor = self.constant(f"{name}/scale", scales.astype(np.float32))
        return self.node("Mul", [cast, factor], f"{name}/scaled", None)

    def _dequantised(self, name: str, value: NDArray[Any], scale: NDArray[np.float32], zero: int) -> str:
        zeros = np.full(scale.shape, zero, value.dtype)
        inputs = [
            self.constant(name, value),
            self.constant(f"{name}/scale", scale),
            self.constant(f"{name}/zero", zeros),
        ]
        return self.node("DequantizeLinear", inputs, f"{name}/dequantized", None, axis=0)

    def number(self, name: str, value: Any) -> str:
        return self.constant(name, np.asarray(value, np.float32 if self.kind == FLOAT else np.float16))

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def node(
        self,
        operator: str,
        inputs: list[str],
        name: str,
        shape: Shape | None,
        kind: int | None = None,
        **attributes: Any,
    ) -> str:
        """Add a node; `shape` is without the batch, None for a tensor without batch."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        if shape is not None:
            self.tensors[name] = (self.kind if kind is None else kind, shape)
        return name
