"""A look at an ONNX file before onnxruntime sees it: what the exporter does not write is refused.
Standard library only.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..system.reading import read_bytes
from . import shapes

# Every operator that the exporter writes. A file with another one is not ours and never reaches
# onnxruntime.
OPERATORS = frozenset(
    {
        *(
            "Conv",
            "ConvTranspose",
            "Gemm",
            "MaxPool",
            "GlobalAveragePool",
            "Flatten",
            "Reshape",
            "Mul",
            "Add",
        ),  # rows
        *("Relu", "Tanh", "Sigmoid"),  # activations
        *("Equal", "Where", "Resize"),  # pooling with switches
        *("Cast", "QuantizeLinear", "DequantizeLinear"),  # float16 and int8
    }
)
OUR_METADATA = ("latent_size", "pixel_range", "variant", "version", "weights_sha256")
LARGEST = 2**28  # bytes
FIELDS = 100_000  # of one message
NODES = 4096
LONGEST_METADATA = 2**16  # bytes, together
EXTENT = 4096  # of a kernel, stride or padding
IR_VERSIONS, OPSETS = range(7, 12), range(13, 24)


def content(path: Path) -> bytes:
    """The bytes of a file that is no larger than any of ours. Raises `ValueError` and OSError."""
    return read_bytes(path, LARGEST)


class Screened(NamedTuple):
    """The `kae.*` metadata of a file, without that prefix, and how many numbers the largest tensor
    of its graph has for one image.
    """

    metadata: dict[str, str]
    largest: int


def screened(data: bytes) -> Screened:
    """What is known of a file whose graph holds nothing that the exporter does not write.

    Raises `ValueError`, saying what is wrong.
    """
    try:
        return _metadata(memoryview(data))
    except TypeError:
        raise ValueError("a number stands where a text or message should, or the other way round") from None


def _metadata(model: memoryview) -> Screened:
    """Reads the fields, numbered as in onnx.proto, since onnxruntime would open whatever file a
    graph names as the place of its weights.
    """
    metadata, versions, length, largest = dict[str, str](), dict[str, int](), 0, 1
    for number, value in _fields(model):
        if number == 1:
            versions["IR version"] = value
        elif number == 8:  # opset_import
            domain = dict(_fields(value))
            if domain.get(1):
                raise ValueError(f"it uses operators of {str(domain[1], 'utf-8')!r}")
            versions["opset"] = domain.get(2, 0)
        elif number == 7:  # graph
            largest = _inspect_graph(value)
        elif number == 14:  # metadata_props
            length += len(value)
            if length > LONGEST_METADATA:
                raise ValueError(f"its metadata have more than {LONGEST_METADATA:,} bytes")
            entry = {key: str(content, "utf-8") for key, content in _fields(value)}
            if entry.get(1, "") in metadata:
                raise ValueError(f"its metadata name {entry.get(1, '')[:100]!r} twice")
            metadata[entry.get(1, "")] = entry.get(2, "")
        elif number in (20, 25):  # training_info, functions
            raise ValueError("it holds more than a graph")
    for what, known in (("IR version", IR_VERSIONS), ("opset", OPSETS)):
        if versions.get(what) not in known:
            raise ValueError(
                f"it has {what} {versions.get(what, 'none')}, not one of {known[0]} to {known[-1]}"
            )
    missing = [f"kae.{key}" for key in OUR_METADATA if f"kae.{key}" not in metadata]
    if missing:
        raise ValueError(f"its metadata lack {', '.join(missing)}")
    ours = {key.removeprefix("kae."): value for key, value in metadata.items() if key.startswith("kae.")}
    return Screened(ours, largest)


def _inspect_graph(graph: memoryview) -> int:
    scales, graph_of_shapes = set[str](), shapes.Graph()
    small = graph_of_shapes.small
    for number, value in _fields(graph):
        if number == 1:  # node
            if len(graph_of_shapes.nodes) == NODES:
                raise ValueError(f"it has more than {NODES:,} nodes")
            graph_of_shapes.nodes.append(_node(value))
            fields = list(_fields(value))
            names = {
                key: str(content, "utf-8") for key, content in fields if key in (4, 7)
            }  # op_type, domain
            operator = ".".join(filter(None, (names.get(7), names.get(4))))
            if operator not in OPERATORS:
                raise ValueError(f"it uses the operator {operator!r}")
            if any(
                part in (5, 6, 10, 11, 22, 23)
                for key, content in fields
                if key == 5
                for part, _ in _fields(content)
            ):
                raise ValueError(
                    f"a node {operator} carries tensors or graphs"
                )  # attributes: t, g, tensors, ...
            if any(extent > EXTENT for key, content in fields if key == 5 for extent in _extents(content)):
                raise ValueError(f"a node {operator} has a kernel, stride or padding of more than {EXTENT}")
            if operator == "Resize":
                inputs = [str(content, "utf-8") for key, content in fields if key == 1]
                if len(inputs) != 3:
                    raise ValueError("a node Resize is not told how many times larger to make its input")
                scales.add(inputs[2])
        elif number == 5:  # initializer
            if any(
                key == 13 or (key == 14 and content) for key, content in _fields(value)
            ):  # external_data, data_location
                raise ValueError("it keeps weights in another file")
            name = str(dict(_fields(value)).get(8, b""), "utf-8")
            if name in graph_of_shapes.constants:
                raise ValueError(f"it has two weights {name[:100]!r}")
            graph_of_shapes.constants[name] = tuple(_integers(value, 1))
            told = {
                key: content for key, content in _fields(value) if key in (4, 8, 9)
            }  # float_data, name, raw_data
            if 8 in told and len(told.get(9, b"")) <= 64:
                small[str(told[8], "utf-8")] = bytes(told.get(9, b"")) or bytes(told.get(4, b""))
        elif number == 11:  # input
            name, shape = _port(value)
            graph_of_shapes.inputs[name] = shape
        elif number == 15:  # sparse_initializer
            raise ValueError("it holds sparse weights")
    for name in scales:
        if small.get(name) != struct.pack("<4f", 1, 1, 2, 2):
            raise ValueError("a node Resize makes its input other than twice as large")
    return shapes.check(graph_of_shapes)


def _node(node: memoryview) -> shapes.Node:
    names: dict[int, list[str]] = {1: [], 2: [], 4: []}
    attributes: dict[str, list[int]] = {}
    for number, value in _fields(node):
        if number in names:
            names[number].append(str(value, "utf-8"))
        elif number == 5:  # attribute: name, i, ints
            name = str(dict(_fields(value)).get(1, b""), "utf-8")
            single = [number for key, number in _fields(value) if key == 3]
            attributes[name] = [*single, *_integers(value, 8)]
    return shapes.Node("".join(names[4]), names[1], names[2], attributes)


def _port(port: memoryview) -> tuple[str, shapes.Shape]:
    """Name and shape of an input: its first side is the batch."""
    told = dict(_fields(port))
    tensor = dict(_fields(dict(_fields(told.get(2, memoryview(b"")))).get(1, memoryview(b""))))
    sides = [
        dict(_fields(side)).get(1, shapes.BATCH)
        for key, side in _fields(tensor.get(2, memoryview(b"")))
        if key == 1
    ]
    if len(sides) < 2 or any(not 0 < side < 2**31 for side in sides[1:]):
        raise ValueError(f"its input {str(told.get(1, b''), 'utf-8')[:100]!r} has no known size")
    return str(told.get(1, b""), "utf-8"), (shapes.BATCH, *sides[1:])


def _extents(attribute: memoryview) -> Iterator[int]:
    """The integers of an attribute."""
    return _integers(attribute, 8)


def _integers(message: memoryview, field: int) -> Iterator[int]:
    """The integers of a field, packed or one by one."""
    for number, value in _fields(message):
        if number == field and isinstance(value, int):
            yield value
        elif number == field:
            at = 0
            while at < len(value):
                each, at = _varint(value, at)
                yield each


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a protobuf message, an integer or the bytes. Raises
    `ValueError` where it breaks off.
    """
    at, count = 0, 0
    while at < len(message):
        count += 1
        if count > FIELDS:
            raise ValueError(f"a part of it has more than {FIELDS:,} fields")
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        size, at = _varint(message, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, LARGEST), at)
        if at + size > len(message):
            raise ValueError("it breaks off or is no ONNX file")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """An integer in groups of 7 bits, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        value |= (message[at] & 127) << shift
        at += 1
        if message[at - 1] < 128:
            return value, at
    raise ValueError("it breaks off or is no ONNX file")
