"""Exported autoencoders at work: numpy and onnxruntime alone, neither Keras nor its backends nor
onnx.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import ArrayLike, NDArray

from ..errors import CorruptFileError, DataError, UsageError
from . import manifest
from .screening import content, screened

SIGNATURES = {
    "encoder": ("image", "latent"),
    "decoder": ("latent", "reconstruction"),
    "autoencoder": ("image", "reconstruction"),
}
TYPES: dict[str, type[np.float32] | type[np.uint8]] = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}

Array = NDArray[Any]


class Rule(NamedTuple):
    """What a graph accepts: kinds of numpy types, least and greatest value."""

    kinds: str
    low: Any
    high: Any
    expected: str


GREATEST = np.float64(np.finfo(np.float32).max)
RULES = {
    "image": Rule("f", 0, 1, "uint8 in 0..255 or floating point in [0, 1]"),
    "latent": Rule("fiu", -GREATEST, GREATEST, "finite numbers"),
}
SWITCH_RULE = Rule("iu", 0, 3, "integers in 0..3")


class Port(NamedTuple):
    """An input or output of a graph, as the caller sees it: shape without the batch, channels last."""

    name: str
    dtype: type[np.float32] | type[np.uint8]
    shape: tuple[int, ...]


class Graph(NamedTuple):
    """A file ready to run; `metadata` holds its `kae.*` entries without that prefix."""

    session: Any
    content: bytes
    metadata: dict[str, str]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True)
class Info:
    """What an encoder says of itself: `image` is (H, W, C), a switch (h, w, c); `metadata` holds
    all `kae.*` entries, without prefix.
    """

    variant: str
    image: tuple[int, ...]
    latent_size: int
    switches: dict[str, tuple[int, ...]]
    metadata: dict[str, str]
    providers: tuple[str, ...]


class OnnxAutoencoder:
    """The graphs `encoder.onnx`, `decoder.onnx` and `autoencoder.onnx` of a folder, each read when
    it is first needed.

    Arrays are laid out as in Keras, channels last, on both sides. Images are given as uint8 in
    0..255 or floating point in [0, 1], of shape (n, H, W, C) or (H, W, C), for one channel also (n,
    H, W) or (H, W), and returned as float32 (n, H, W, C). n is any number; `chunk` images are
    computed at once. CUDA is used where onnxruntime has it; `threads` per graph, 0 for
    onnxruntime's own choice.

    Raises `UsageError` for a folder or file that is not there, `CorruptFileError` for a file that
    is damaged, not ours or at odds with the others, `DataError` for images or codes that do not
    fit, saying what would.
    """

    def __init__(self, folder: str | os.PathLike[str], *, threads: int = 0, chunk: int = 256) -> None:
        if threads < 0 or chunk < 1:
            raise UsageError(f"threads is {threads} and chunk {chunk}; give at least 0 and 1.")
        self.folder = Path(folder)
        self.threads = threads
        self.chunk = chunk
        self._graphs: dict[str, Graph] = {}

    def load(self) -> dict[str, bytes]:
        """Read all three graphs now; give the content of their files by name."""
        return {name: self._graph(name).content for name in SIGNATURES}

    @property
    def info(self) -> Info:
        """What the encoder says of itself."""
        graph = self._graph("encoder")
        return Info(
            variant=graph.metadata["variant"],
            image=graph.inputs[0].shape,
            latent_size=graph.outputs[0].shape[0],
            switches={port.name: port.shape for port in _codes(graph.outputs)[1:]},
            metadata=graph.metadata,
            providers=tuple(graph.session.get_providers()),
        )

    def encode(self, images: ArrayLike) -> Any:
        """The codes, float32 of shape (n, d); for a variant with pooling switches [codes, switch,
        ...], uint8 of shape (n, h, w, c).
        """
        graph = self._graph("encoder")
        results = self._run(graph, [images], _codes(graph.outputs))
        return results if len(results) > 1 else results[0]

    def decode(self, codes: Any) -> NDArray[np.float32]:
        """The images of what `encode` gave: codes of shape (n, d) or (d,); for a variant with
        switches the list with them.
        """
        graph = self._graph("decoder")
        return self._run(graph, codes if len(graph.inputs) > 1 else [codes], graph.outputs)[0]

    def reconstruct(self, images: ArrayLike) -> NDArray[np.float32]:
        """The images after encoding and decoding."""
        graph = self._graph("autoencoder")
        return self._run(graph, [images], graph.outputs)[0]

    def _graph(self, name: str) -> Graph:
        if name not in self._graphs:
            graph = _load(self.folder / f"{name}.onnx", self.threads)
            for other, known in self._graphs.items():
                if known.metadata["weights_sha256"] != graph.metadata["weights_sha256"]:
                    raise CorruptFileError(
                        f"{name}.onnx and {other}.onnx in {self.folder} hold different weights.\nExport the run again."
                    )
            self._graphs[name] = graph
        return self._graphs[name]

    def _run(self, graph: Graph, given: Any, wanted: tuple[Port, ...]) -> list[Array]:
        """Chunk by chunk, so that only the results stand in memory whole."""
        arrays = _batches(given, graph.inputs)
        results = [np.empty((len(arrays[0]), *port.shape), port.dtype) for port in wanted]
        for start in range(0, len(arrays[0]), self.chunk):
            part = slice(start, start + self.chunk)
            feed = {
                port.name: _prepared(array[part], port, start)
                for array, port in zip(arrays, graph.inputs, strict=True)
            }
            try:
                computed = graph.session.run([port.name for port in wanted], feed)
            except Exception as error:
                if not type(error).__module__.startswith("onnxruntime"):
                    raise
                raise CorruptFileError(
                    f"a graph in {self.folder} cannot be run: {' '.join(str(error).split())[:200]}"
                ) from error
            for result, found in zip(results, computed, strict=True):
                result[part] = found.transpose(0, 2, 3, 1) if found.ndim == 4 else found
        return results


def _codes(outputs: tuple[Port, ...]) -> tuple[Port, ...]:
    """Of an encoder's outputs, those its decoder takes."""
    return tuple(port for port in outputs if port.name == "latent" or port.name.startswith("switch_"))


def _batches(given: Any, ports: tuple[Port, ...]) -> list[Array]:
    """The arrays for these inputs with batch and channel axes, equally long and not yet converted.
    Raises `DataError`.
    """
    names = ", ".join(port.name for port in ports)
    if not isinstance(given, list | tuple) or len(given) != len(ports):
        raise DataError(
            f"this decoder takes a list of {len(ports)} arrays ({names}), as `encode` gives them."
        )
    arrays = [_batch(array, port) for array, port in zip(given, ports, strict=True)]
    if len({len(array) for array in arrays}) > 1:
        raise DataError(
            f"{names} must be equally long, but are {', '.join(str(len(array)) for array in arrays)}."
        )
    return arrays


def _batch(given: ArrayLike, port: Port) -> Array:
    shapes = [port.shape]
    if port.name == "image" and port.shape[-1] == 1:
        shapes.append(port.shape[:-1])
    try:
        array = np.asarray(given)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{port.name} is no array of numbers: {error}") from None
    for shape in shapes:
        if array.shape[1:] == shape:
            return array.reshape(len(array), *port.shape)
    if array.shape in shapes:
        return array.reshape(1, *port.shape)
    expected = ", ".join(f"{('n', *shape)} or {shape}".replace("'", "") for shape in shapes)
    raise DataError(f"{port.name} has shape {array.shape}; expected {expected}.")


def _prepared(array: Array, port: Port, start: int) -> Array:
    """A chunk, which begins at number `start`, converted, checked and laid out as the graph takes
    it. Raises `DataError`.
    """
    if port.name == "image" and array.dtype == np.uint8:
        ready = np.divide(array, np.float32(255), dtype=np.float32)
    else:
        rule = RULES.get(port.name, SWITCH_RULE)
        if array.dtype.kind not in rule.kinds:
            raise DataError(f"{port.name} is of type {array.dtype}; expected {rule.expected}.")
        good = (array >= rule.low) & (array <= rule.high)  # NaN is not
        if not good.all():
            first = tuple(np.argwhere(~good)[0])
            raise DataError(
                f"{port.name} number {start + first[0]} holds {array[first]!s}; expected {rule.expected}."
            )
        ready = array.astype(port.dtype)
    return np.ascontiguousarray(ready.transpose(0, 3, 1, 2)) if ready.ndim == 4 else ready


def _load(path: Path, threads: int) -> Graph:
    """Raises `UsageError` when the file is not there, `CorruptFileError` when it is not one of
    ours.
    """
    if not path.is_file() and not path.with_name(manifest.NAME).is_file():
        raise UsageError(f"there is no {path.name} in {path.parent}.\nWrite it with `kae export onnx`.")
    try:
        data = content(path)
        told = manifest.check(path, data)
        metadata = screened(data)
        if differing := [key for key, value in told.items() if metadata.get(key) != value]:
            raise ValueError(
                f"its {differing[0]} is {metadata.get(differing[0])}, but {manifest.NAME} says {told[differing[0]]}"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what goes wrong is raised, and needs no line on stderr as well
        options.add_session_config_entry("session.load_model_format", "ONNX")
        session = ort.InferenceSession(data, options, providers=_providers())
        inputs, outputs = _ports(session.get_inputs()), _ports(session.get_outputs())
        if (inputs[0].name, outputs[0].name) != SIGNATURES[path.stem]:
            raise ValueError(f"it turns {inputs[0].name} into {outputs[0].name}")
        return Graph(session, data, metadata, inputs, outputs)
    except CorruptFileError:
        raise
    except OSError as error:
        raise CorruptFileError(f"{path} cannot be read: {error.strerror}\nExport the run again.") from error
    except Exception as error:  # onnxruntime has a dozen kinds, none of them public
        reason = (str(error).splitlines() or [repr(error)])[0][:200]
        raise CorruptFileError(
            f"{path} is damaged or not exported by this package:\n{reason}\nExport the run again."
        ) from error


def _providers() -> list[Any]:
    """CUDA, where there is one, in full float32: its default rounds to 10 bits."""
    cuda = (
        [("CUDAExecutionProvider", {"use_tf32": "0"})]
        if "CUDAExecutionProvider" in ort.get_available_providers()
        else []
    )
    return [*cuda, "CPUExecutionProvider"]


def _ports(values: Any) -> tuple[Port, ...]:
    ports = []
    for value in values:
        batch, *shape = value.shape
        if (
            value.type not in TYPES
            or batch != "batch"
            or len(shape) not in (1, 3)
            or not all(isinstance(size, int) for size in shape)
        ):
            raise ValueError(f"{value.name} is a {value.type} of shape {value.shape}")
        ports.append(
            Port(
                value.name,
                TYPES[value.type],
                tuple(shape[1:] + shape[:1]) if len(shape) == 3 else tuple(shape),
            )
        )
    return tuple(ports)
