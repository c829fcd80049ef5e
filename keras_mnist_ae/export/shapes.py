"""Shapes of all tensors of a graph, worked out before onnxruntime sees it: what a graph takes is
known before it is taken. Standard library only.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

Shape = tuple[int, ...]
BATCH = -1  # the size of the batch, as the first of a shape

LARGEST_TENSOR = 2**24  # numbers of one image
LARGEST_GRAPH = 2**27  # numbers of one image in all tensors
MOST_PRODUCTS = 2**36  # of one image
LARGEST_WEIGHT = 2**28  # numbers: more than a file of ours has bytes
WINDOW = {"kernel_shape", "strides", "pads"}
OF_WEIGHTS = ("DequantizeLinear", "Cast", "Mul")  # what makes numbers of weights that are kept in 8 bits
ATTRIBUTES: dict[str, set[str]] = {
    "Conv": WINDOW,
    "ConvTranspose": WINDOW,
    "MaxPool": {"kernel_shape", "strides"},
    "Gemm": {"transB"},
    "Cast": {"to"},
    "DequantizeLinear": {"axis"},
    "Resize": {"mode", "nearest_mode", "coordinate_transformation_mode"},
}


class Node(NamedTuple):
    """A node of a graph; `attributes` holds whole numbers by name, [] for those of another kind."""

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, list[int]]


@dataclass
class Graph:
    """The parts of a graph that say how much it computes; `small` holds the bytes of short
    constants.
    """

    nodes: list[Node] = field(default_factory=list)
    inputs: dict[str, Shape] = field(default_factory=dict)
    constants: dict[str, Shape] = field(default_factory=dict)
    small: dict[str, bytes] = field(default_factory=dict)


def check(graph: Graph) -> int:
    """The numbers of the largest tensor, for one image.

    Raises:
        ValueError: A shape cannot be worked out, or is larger than any of ours.
    """
    for name, shape in graph.constants.items():
        if min(shape, default=1) < 0 or prod(shape) > LARGEST_WEIGHT:
            raise ValueError(f"its weights {name!r} have the shape {shape}")
    known = {**graph.constants, **graph.inputs}
    sizes, products = [_size(shape) for shape in graph.inputs.values()], 0
    for node in graph.nodes:
        what = f"a node {node.operator}"
        if other := set(node.attributes) - ATTRIBUTES.get(node.operator, set()):
            raise ValueError(f"{what} has the attribute {sorted(other)[0]!r}")
        if len(node.outputs) != 1 or node.outputs[0] in known:
            raise ValueError(f"{what} has not one output of its own")
        if missing := [name for name in node.inputs if name and name not in known]:
            raise ValueError(f"{what} takes {missing[0]!r}, which nothing before it gives")
        shapes = [known[name] for name in node.inputs if name]
        if not any(BATCH in shape for shape in shapes) and node.operator not in OF_WEIGHTS:
            raise ValueError(f"{what} computes from weights alone")
        try:
            result = _result(node, shapes, graph.small)
        except (IndexError, KeyError, ValueError, struct.error):
            told = ", ".join(map(str, shapes[:3]))
            raise ValueError(f"{what} does not fit the shapes {told}") from None
        if BATCH not in result and _size(result) > max(map(_size, shapes)):
            raise ValueError(f"{what} makes more of weights than they are")
        known[node.outputs[0]] = result
        sizes.append(_size(result))
        products += _products(node, shapes, result)
        if sizes[-1] > LARGEST_TENSOR and BATCH in result:
            raise ValueError(f"{what} makes {sizes[-1]:,} numbers of one image")
    if max(sizes, default=0) > LARGEST_WEIGHT or sum(sizes) > LARGEST_GRAPH or products > MOST_PRODUCTS:
        raise ValueError(f"it computes {sum(sizes):,} numbers and {products:,} products for one image")
    return max(sizes, default=0)


def _size(shape: Shape) -> int:
    return abs(prod(shape))


def _products(node: Node, shapes: list[Shape], result: Shape) -> int:
    if node.operator == "Conv":
        return _size(result) * prod(shapes[1][1:])
    if node.operator == "ConvTranspose":
        return _size(shapes[0]) * prod(shapes[1][1:])
    return prod(shapes[1]) if node.operator == "Gemm" else 0


def _result(node: Node, shapes: list[Shape], small: dict[str, bytes]) -> Shape:
    """The shape of a node's output. Raises IndexError, KeyError and ValueError for inputs that do
    not fit.
    """
    first = shapes[0]
    match node.operator:
        case "Conv" | "ConvTranspose" | "MaxPool":
            return _window(node, shapes)
        case "Gemm":
            outputs, size = shapes[1]
            if first != (BATCH, size) or node.attributes["transB"] != [1]:
                raise ValueError
            return BATCH, outputs
        case "GlobalAveragePool":
            batch, channels, _, _ = first
            return batch, channels, 1, 1
        case "Flatten":
            return first[0], prod(first[1:])
        case "Reshape":
            content = small[node.inputs[1]]
            target = struct.unpack(f"<{len(content) // 8}q", content)
            if target[0] != 0 or min(target[1:]) < 1 or prod(target[1:]) != prod(first[1:]):
                raise ValueError
            return first[0], *target[1:]
        case "Resize":
            batch, channels, height, width = first
            return batch, channels, 2 * height, 2 * width
        case "Mul" | "Add" | "Equal" | "Where":
            return tuple(_broadcast(shapes))
        case _:  # a function of each number
            return first


def _window(node: Node, shapes: list[Shape]) -> Shape:
    """Of a convolution or pooling: padding at the top, left, bottom and right."""
    batch, channels, *sides = shapes[0]
    kernel, strides = node.attributes["kernel_shape"], node.attributes["strides"]
    pads = node.attributes.get("pads", [0] * 4)
    if len(sides) != 2 or len(kernel) != 2 or len(strides) != 2 or len(pads) != 4 or min(strides) < 1:
        raise ValueError
    if node.operator != "MaxPool":
        weight = shapes[1]
        if list(weight[2:]) != kernel:
            raise ValueError
        taken, channels = (weight[1], weight[0]) if node.operator == "Conv" else (weight[0], weight[1])
        if taken != shapes[0][1]:
            raise ValueError
    padding = (pads[0] + pads[2], pads[1] + pads[3])
    if node.operator == "ConvTranspose":
        height, width = (
            (side - 1) * s - p + k for side, s, p, k in zip(sides, strides, padding, kernel, strict=True)
        )
    else:
        height, width = (
            (side + p - k) // s + 1 for side, s, p, k in zip(sides, strides, padding, kernel, strict=True)
        )
    if min(height, width, channels) < 1:
        raise ValueError
    return batch, channels, height, width


def _broadcast(shapes: list[Shape]) -> Iterator[int]:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    for sizes in zip(*padded, strict=True):
        others = set(sizes) - {1}
        if len(others) > 1:
            raise ValueError
        yield others.pop() if others else 1
