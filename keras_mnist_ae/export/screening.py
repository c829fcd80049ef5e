"""A look at an ONNX file before onnxruntime sees it: what the exporter does not write is refused. Standard library only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Every operator that the exporter writes. A file with another one is not ours and never reaches onnxruntime.
OPERATORS = frozenset(
    {
        *("Conv", "ConvTranspose", "Gemm", "MaxPool", "GlobalAveragePool", "Flatten", "Reshape", "Mul", "Add"),  # rows
        *("Relu", "Tanh", "Sigmoid"),  # activations
        *("Equal", "Where", "Resize"),  # pooling with switches
        *("Cast", "QuantizeLinear", "DequantizeLinear"),  # float16 and int8
    }
)
OUR_METADATA = ("latent_size", "pixel_range", "variant", "version", "weights_sha256")
LARGEST = 2**31 - 1  # bytes: protobuf ends there


def content(path: Path) -> bytes:
    """The bytes of a file that is no larger than an ONNX file can be. Raises `ValueError` and OSError."""
    if path.stat().st_size > LARGEST:
        raise ValueError("it is larger than an ONNX file can be")
    return path.read_bytes()


def screened(data: bytes) -> dict[str, str]:
    """The `kae.*` metadata, without that prefix, of a file whose graph holds nothing that the exporter does not write.

    Raises `ValueError`, saying what is wrong.
    """
    return _metadata(memoryview(data))


def _metadata(model: memoryview) -> dict[str, str]:
    """Reads the fields, numbered as in onnx.proto, since onnxruntime would open whatever file a graph names as the place of its weights."""
    metadata = {}
    for number, value in _fields(model):
        if number == 7:  # graph
            _inspect_graph(value)
        elif number == 14:  # metadata_props
            entry = {key: str(content, "utf-8") for key, content in _fields(value)}
            metadata[entry.get(1, "")] = entry.get(2, "")
        elif number in (20, 25):  # training_info, functions
            raise ValueError("it holds more than a graph")
    missing = [f"kae.{key}" for key in OUR_METADATA if f"kae.{key}" not in metadata]
    if missing:
        raise ValueError(f"its metadata lack {', '.join(missing)}")
    return {key.removeprefix("kae."): value for key, value in metadata.items() if key.startswith("kae.")}


def _inspect_graph(graph: memoryview) -> None:
    for number, value in _fields(graph):
        if number == 1:  # node
            fields = list(_fields(value))
            names = {key: str(content, "utf-8") for key, content in fields if key in (4, 7)}  # op_type, domain
            operator = ".".join(filter(None, (names.get(7), names.get(4))))
            if operator not in OPERATORS:
                raise ValueError(f"it uses the operator {operator!r}")
            if any(part in (5, 6, 10, 11, 22, 23) for key, content in fields if key == 5 for part, _ in _fields(content)):
                raise ValueError(f"a node {operator} carries tensors or graphs")  # attributes: t, g, tensors, ...
        elif number == 5:  # initializer
            if any(key == 13 or (key == 14 and content) for key, content in _fields(value)):  # external_data, data_location
                raise ValueError("it keeps weights in another file")
        elif number == 15:  # sparse_initializer
            raise ValueError("it holds sparse weights")


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a protobuf message, an integer or the bytes. Raises `ValueError` where it breaks off."""
    at = 0
    while at < len(message):
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
