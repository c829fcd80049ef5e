"""Max-pooling with switches and max-unpooling as ONNX nodes."""

from typing import Any

import numpy as np
from onnx import TensorProto

from ...architecture.shapes import Shape

BOOL, INT32, UINT8 = TensorProto.BOOL, TensorProto.INT32, TensorProto.UINT8
NEAREST: dict[str, Any] = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}


def pool(nodes: Any, name: str, switch: str | None, shape: Shape, x: str) -> str:
    """Maximum of each 2 x 2 window and, for a switch, its position, the first on a tie: 0 1 in the
    top row, 2 3 below.

    Pooling the first pixel, the top row and the left column of the window as well costs less than
    splitting the window (SpaceToDepth, Slice, ArgMax), and depends neither on the batch nor on how
    a runtime breaks ties.
    """
    maximum: str = nodes.node("MaxPool", [x], name, shape, kernel_shape=[2, 2], strides=[2, 2])
    if switch:
        position = _position(nodes, 3)
        # From the last test to the first: if the pixel itself holds the maximum, so do its row and
        # its column.
        for answer, part, kernel in ((2, "left", [2, 1]), (1, "top", [1, 2]), (0, "first", [1, 1])):
            of_part = nodes.node("MaxPool", [x], f"{name}/{part}", shape, kernel_shape=kernel, strides=[2, 2])
            equal = nodes.node("Equal", [of_part, maximum], f"{name}/{part}/found", shape, BOOL)
            choice = [equal, _position(nodes, answer), position]
            position = nodes.node("Where", choice, f"{name}/{part}/place", shape, UINT8)
        nodes.extra[f"switch_{switch}"] = position
    return maximum


def unpool(nodes: Any, name: str, switch: str, pooled: Shape, shape: Shape, x: str) -> str:
    """Repeat each value and its switch over the four pixels of the window, and keep the value on
    the pixel that the switch names.

    The switches are compared as int32: Equal has no kernel for uint8 before onnxruntime 1.21.
    """
    twice = nodes.constant("twice", np.array([1, 1, 2, 2], np.float32))
    public = nodes.extra[f"switch_{switch}"]
    numbers = nodes.node("Cast", [public], f"{name}/switches/int32", pooled, INT32, to=INT32)
    switches = nodes.node("Resize", [numbers, "", twice], f"{name}/switches", shape, INT32, **NEAREST)
    values = nodes.node("Resize", [x, "", twice], f"{name}/values", shape, **NEAREST)
    positions = np.tile(np.array([[0, 1], [2, 3]], np.int32), (shape[1] // 2, shape[2] // 2))
    pattern = nodes.constant(f"{name}/places", positions)
    here = nodes.node("Equal", [switches, pattern], f"{name}/here", shape, BOOL)
    output: str = nodes.node("Where", [here, values, nodes.number("zero", 0)], name, shape)
    return output


def _position(nodes: Any, position: int) -> str:
    return str(nodes.constant(f"place/{position}", np.uint8(position)))
