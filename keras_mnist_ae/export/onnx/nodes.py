"""Rows to an ONNX graph: a node for each row and each activation, in the precision asked for."""

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
from .lowering import Grid, Row

OPSET = 17
IR_VERSION = 8
FLOAT, UINT8, BOOL = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.BOOL
WEIGHT_ZERO, WIDEST = (
    128,
    127,
)  # what stands for 0 in a quantised weight, and how many steps there are on either side of it

Ports = dict[str, tuple[int, Shape]]  # a graph's inputs or outputs: element type, and shape without the batch


def build(
    name: str, rows: list[Row], inputs: Ports, outputs: Ports, properties: dict[str, str], kind: int = FLOAT
) -> ModelProto:
    """The graph that does `rows`, with float32 ports whatever `kind` of floating point it computes
    in.

    Rows that come quantised are written as ONNX wants it: QuantizeLinear and DequantizeLinear
    around the tensor each takes, DequantizeLinear behind its weights; a runtime makes one integer
    operator of the three.
    """
    nodes = _Nodes(kind, set(outputs), {port: port for port in inputs if port.startswith("switch_")})
    (tensor, (_, shape)), result = next(iter(inputs.items())), next(iter(outputs))
    tensor = nodes.cast(tensor, kind, shape)
    for row in rows:
        tensor = nodes.add(row, tensor)
    tensor = nodes.cast(tensor, FLOAT, outputs[result][1])
    others = {
        port: nodes.cast(nodes.beside[port], FLOAT, shape) if is_float else nodes.beside[port]
        for port, is_float, shape in _beside(outputs)
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


def _beside(outputs: Ports) -> list[tuple[str, bool, Shape]]:
    """Outputs other than the first: name, whether it is a floating point number, shape."""
    return [(name, kind == FLOAT, shape) for name, (kind, shape) in list(outputs.items())[1:]]


def _described(ports: Ports) -> list[ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, kind, ["batch", *shape]) for name, (kind, shape) in ports.items()
    ]


class _Nodes:
    """The nodes of a graph as they gather. A node and its result bear the same name, and its
    constants stand below it: conv1/weight.
    """

    def __init__(self, kind: int, wanted: set[str], beside: dict[str, str]) -> None:
        self.kind = kind  # of the numbers between the nodes
        self.wanted = wanted  # names of the outputs
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.tensors: Ports = {}  # what lies between the nodes
        self.beside = beside  # the tensor of each pooling switch and of the log variance, by its public name
        self.branches: dict[str, str] = {}  # the tensor that each open residual block began with

    def add(self, row: Row, x: str) -> str:
        """Add the nodes of a row that takes tensor `x`; give the name of its result."""
        name, layer, shape = row.name, row.layer, row.output
        if row.grid:
            x = self._through_grid(x, row.grid, row.input)
        match layer:
            case Conv() | ConvTranspose():
                window: dict[str, Any] = {
                    "kernel_shape": list(layer.kernel),
                    "strides": [layer.s] * 2,
                    "pads": list(row.pads or [layer.p] * 4),
                }
                x = self._node(type(layer).__name__, [x, *self._weights(row)], name, shape, **window)
            case Dense():
                x = self._node("Gemm", [x, *self._weights(row)], name, shape, transB=1)
            case Gaussian(outputs=size):
                names = [name, f"{name}/log_variance"] if "log_variance" in self.wanted else [name]
                for result, start in zip(names, (0, size), strict=False):
                    part = row._replace(
                        name=result, weight=row.weight[start:][:size], bias=row.bias[start:][:size]
                    )
                    self._node("Gemm", [x, *self._weights(part)], result, shape, transB=1)
                x, self.beside["log_variance"] = name, names[-1]
            case Branch(name=branch):
                self.branches[branch] = x
            case Add(name=branch):
                x = self._node("Add", [x, self.branches[branch]], name, shape)
            case Dropout():
                pass
            case MaxPool():
                x = self._pool(name, layer.switch, shape, x)
            case MaxUnpool():
                x = self._unpool(name, layer.switch, shape, x)
            case GlobalAveragePool():
                x = self._node("GlobalAveragePool", [x], name, shape)
            case Flatten():
                x = self._node("Flatten", [x], name, shape)
            case Unflatten():
                x = self._node(
                    "Reshape", [x, self._constant(f"{name}/shape", np.array([0, *shape]))], name, shape
                )  # 0: as it is
            case Rescale():
                x = self._node(
                    "Mul", [x, self._number(f"{name}/scale", layer.scale)], f"{name}/scaled", shape
                )
                x = self._node("Add", [x, self._number(f"{name}/offset", layer.offset)], name, shape)
            case _:
                assert_never(layer)
        if row.act == "Silu":  # an operator of its own from opset 24 on
            gate = self._node("Sigmoid", [x], f"{name}/sigmoid", shape)
            return self._node("Mul", [x, gate], f"{name}/silu", shape)
        return self._node(row.act, [x], f"{name}/{row.act.lower()}", shape) if row.act else x

    def cast(self, x: str, kind: int, shape: Shape) -> str:
        """Tensor `x`, which is float32 at the edge of the graph and else of the kind between the
        nodes, as a tensor of the other kind.
        """
        return (
            x
            if self.kind == FLOAT
            else self._node(
                "Cast", [x], f"{x}/{TensorProto.DataType.Name(kind).lower()}", shape, kind, to=kind
            )
        )

    def rename(self, names: dict[str, str]) -> None:
        """Give tensors that leave the graph their public names."""
        for node in self.nodes:
            node.input[:] = [names.get(tensor, tensor) for tensor in node.input]
            node.output[:] = [names.get(tensor, tensor) for tensor in node.output]
        self.tensors = {name: port for name, port in self.tensors.items() if name not in names}

    def _pool(self, name: str, switch: str | None, shape: Shape, x: str) -> str:
        """Maximum of each 2 x 2 window and, for a switch, the place of the first one: 0 1 in the
        top row, 2 3 below.

        Pooling the first pixel, the top row and the left column of the window as well costs less
        than any way of taking the window apart (SpaceToDepth, Slice, ArgMax), and none of it
        depends on the batch or on how a runtime breaks ties.
        """
        maximum = self._node("MaxPool", [x], name, shape, kernel_shape=[2, 2], strides=[2, 2])
        if switch:
            place = self._place(3)
            # From the last test to the first: if the pixel itself holds the maximum, the row and
            # the column hold it too.
            for answer, part, kernel in ((2, "left", [2, 1]), (1, "top", [1, 2]), (0, "first", [1, 1])):
                of_part = self._node(
                    "MaxPool", [x], f"{name}/{part}", shape, kernel_shape=kernel, strides=[2, 2]
                )
                found = self._node("Equal", [of_part, maximum], f"{name}/{part}/found", shape, BOOL)
                place = self._node(
                    "Where", [found, self._place(answer), place], f"{name}/{part}/place", shape, UINT8
                )
            self.beside[f"switch_{switch}"] = place
        return maximum

    def _unpool(self, name: str, switch: str, shape: Shape, x: str) -> str:
        """Every value and its switch on all four pixels of their window; the value stays on the
        pixel that the switch names.
        """
        twice = self._constant("twice", np.array([1, 1, 2, 2], np.float32))
        nearest: dict[str, Any] = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        switches = self._node(
            "Resize",
            [self.beside[f"switch_{switch}"], "", twice],
            f"{name}/switches",
            shape,
            UINT8,
            **nearest,
        )
        values = self._node("Resize", [x, "", twice], f"{name}/values", shape, **nearest)
        places = np.tile(np.array([[0, 1], [2, 3]], np.uint8), (shape[1] // 2, shape[2] // 2))
        here = self._node(
            "Equal", [switches, self._constant(f"{name}/places", places)], f"{name}/here", shape, BOOL
        )
        return self._node("Where", [here, values, self._number("zero", 0)], name, shape)

    def _place(self, place: int) -> str:
        return self._constant(f"place/{place}", np.uint8(place))

    def _through_grid(self, x: str, grid: Grid, shape: Shape) -> str:
        scale, zero = (
            self._constant(f"{x}/scale", np.float32(grid.scale)),
            self._constant(f"{x}/zero", np.uint8(grid.zero)),
        )
        quantised = self._node("QuantizeLinear", [x, scale, zero], f"{x}/quantized", shape, UINT8)
        return self._node("DequantizeLinear", [quantised, scale, zero], f"{x}/dequantized", shape)

    def _weights(self, row: Row) -> list[str]:
        if row.weight_scale is None or row.grid is None:
            return [
                self._number(f"{row.name}/weight", row.weight),
                self._number(f"{row.name}/bias", row.bias),
            ]
        scales = row.weight_scale.reshape(-1, *[1] * (row.weight.ndim - 1))
        weight = (np.clip(np.rint(row.weight / scales), -WIDEST, WIDEST) + WEIGHT_ZERO).astype(np.uint8)
        product = (
            np.float32(row.grid.scale) * row.weight_scale
        )  # what a step of the sum, and so of the bias, is worth
        bias = np.rint(row.bias / product).astype(np.int32)
        return [
            self._dequantised(f"{row.name}/weight", weight, row.weight_scale, WEIGHT_ZERO),
            self._dequantised(f"{row.name}/bias", bias, product, 0),
        ]

    def _dequantised(self, name: str, value: NDArray[Any], scale: NDArray[np.float32], zero: int) -> str:
        zeros = np.full(scale.shape, zero, value.dtype)
        inputs = [
            self._constant(name, value),
            self._constant(f"{name}/scale", scale),
            self._constant(f"{name}/zero", zeros),
        ]
        return self._node("DequantizeLinear", inputs, f"{name}/dequantized", None, axis=0)

    def _number(self, name: str, value: Any) -> str:
        return self._constant(name, np.asarray(value, np.float32 if self.kind == FLOAT else np.float16))

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def _node(
        self,
        operator: str,
        inputs: list[str],
        name: str,
        shape: Shape | None,
        kind: int | None = None,
        **attributes: Any,
    ) -> str:
        """Add a node; `shape` without the batch, None where there is no batch and inference will
        do.
        """
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        if shape is not None:
            self.tensors[name] = (self.kind if kind is None else kind, shape)
        return name
