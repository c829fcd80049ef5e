"""Exported autoencoders in onnxruntime. Needs numpy and onnxruntime alone."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import ArrayLike, NDArray

from ..errors import CorruptFileError, UsageError, reason
from ..models.ports import Array, Port, batches, ports_of, prepared
from ..system.workers import cores
from . import manifest
from .scoring import Scoring
from .screening import content, screened

ort.disable_telemetry_events()  # onnxruntime would look up a host of its maker

AT_ONCE = 2**25  # numbers of the largest tensor of a chunk: 128 MiB
BESIDE = 2  # times as many in all chunks that are computed at once
SIGNATURES = {
    "encoder": ("image", "latent"),
    "decoder": ("latent", "reconstruction"),
    "autoencoder": ("image", "reconstruction"),
}


class Graph(NamedTuple):
    """A loaded graph; `metadata` holds its `kae.*` entries without that prefix, `largest` how many
    numbers its largest tensor has for one image.
    """

    session: Any
    content: bytes
    metadata: dict[str, str]
    largest: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True)
class Info:
    """Facts about an exported autoencoder: `image` is (H, W, C), a switch (h, w, c); `metadata`
    holds all `kae.*` entries without that prefix.
    """

    variant: str
    image: tuple[int, ...]
    latent_size: int
    switches: dict[str, tuple[int, ...]]
    metadata: dict[str, str]
    providers: tuple[str, ...]


class OnnxAutoencoder(Scoring):
    """The graphs `encoder.onnx`, `decoder.onnx` and `autoencoder.onnx` of a folder, each read when
    it is first needed.

    Arrays are channels last, as in Keras. Images are uint8 in 0..255 or floating point in [0, 1],
    of shape (n, H, W, C) or (H, W, C), for one channel also (n, H, W) or (H, W); results are
    float32 (n, H, W, C). CUDA is used where onnxruntime has it.

    Args:
        threads: per graph; 0 leaves the choice to onnxruntime.
        chunk: images computed at once.

    Raises:
        UsageError: The folder or a file is not there.
        CorruptFileError: A file is damaged, not one of ours, or does not belong to the others.
        DataError: Images or codes do not fit; the message says what would.
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
        """Variant, sizes and metadata, read from the encoder."""
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

    @property
    def variational(self) -> bool:
        """Whether a code has a variance."""
        return any(port.name == "log_variance" for port in self._graph("encoder").outputs)

    def posterior(self, images: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and logarithm of the variance of the codes of a variational variant, (n, d) each.

        Raises `UsageError` for other variants.
        """
        graph = self._graph("encoder")
        ports = tuple(port for port in graph.outputs if port.name in ("latent", "log_variance"))
        if len(ports) < 2:
            raise UsageError(f"the codes of {graph.metadata['variant']} have no variance")
        mean, log_variance = self._run(graph, [images], ports)
        return mean, log_variance

    def reconstruct(self, images: ArrayLike) -> NDArray[np.float32]:
        """The images after encoding and decoding."""
        graph = self._graph("autoencoder")
        return self._run(graph, [images], graph.outputs)[0]

    def beside(self) -> tuple["OnnxAutoencoder", int]:
        """The same graphs of a thread each, and how many chunks may be computed at once: whole
        chunks beside each other keep all processors busy, the steps of one chunk do not. Large
        images, of which two chunks would take much memory, and those of a GPU come one by one.
        """
        threads = self.threads or cores()
        graph = self._graph("autoencoder")
        chunk = max(1, min(self.chunk, AT_ONCE // graph.largest))
        threads = min(threads, BESIDE * AT_ONCE // (chunk * graph.largest))
        if threads < 2 or graph.session.get_providers()[0] != "CPUExecutionProvider":
            return self, 1
        return OnnxAutoencoder(self.folder, threads=1, chunk=self.chunk), threads

    def _graph(self, name: str) -> Graph:
        if name not in self._graphs:
            graph = _load(self.folder / f"{name}.onnx", self.threads)
            for other, known in self._graphs.items():
                if known.metadata["weights_sha256"] != graph.metadata["weights_sha256"]:
                    raise CorruptFileError(
                        f"{name}.onnx and {other}.onnx in {self.folder} hold different weights.\n"
                        "Export the run again."
                    )
            self._graphs[name] = graph
        return self._graphs[name]

    def _image_port(self) -> Port:
        return self._graph("encoder").inputs[0]

    def _run(self, graph: Graph, inputs: Any, wanted: tuple[Port, ...]) -> list[Array]:
        """Run chunk by chunk, so that only the results are in memory as a whole."""
        arrays = batches(inputs, graph.inputs)
        results = [np.empty((len(arrays[0]), *port.shape), port.dtype) for port in wanted]
        chunk = max(1, min(self.chunk, AT_ONCE // graph.largest))
        for start in range(0, len(arrays[0]), chunk):
            part = slice(start, start + chunk)
            feed = {
                port.name: prepared(array[part], port, start)
                for array, port in zip(arrays, graph.inputs, strict=True)
            }
            try:
                computed = graph.session.run([port.name for port in wanted], feed)
            except Exception as error:
                if not type(error).__module__.startswith("onnxruntime"):
                    raise
                raise CorruptFileError(
                    f"a graph in {self.folder} cannot be run: {reason(error, 200)}"
                ) from error
            for result, output in zip(results, computed, strict=True):
                result[part] = output.transpose(0, 2, 3, 1) if output.ndim == 4 else output
        return results


def _codes(outputs: tuple[Port, ...]) -> tuple[Port, ...]:
    """The outputs of an encoder that its decoder takes."""
    return tuple(port for port in outputs if port.name == "latent" or port.name.startswith("switch_"))


def _load(path: Path, threads: int) -> Graph:
    """Raises `UsageError` when the file is not there, `CorruptFileError` when it is not one of
    ours.
    """
    if not path.is_file() and not path.with_name(manifest.NAME).is_file():
        raise UsageError(
            f"there is no {path.name} in {path.parent}.\nWrite it: {manifest.command(path.parent)}"
        )
    try:
        data = content(path)
        told = manifest.check(path, data)
        metadata, largest = screened(data)
        if differing := [key for key, value in told.items() if metadata.get(key) != value]:
            raise ValueError(
                f"its {differing[0]} is {metadata.get(differing[0])}, but {manifest.NAME} says "
                f"{told[differing[0]]}"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what goes wrong is raised, and needs no line on stderr as well
        options.add_session_config_entry("session.load_model_format", "ONNX")
        session = ort.InferenceSession(data, options, providers=_providers())
        inputs, outputs = ports_of(session.get_inputs()), ports_of(session.get_outputs())
        if (inputs[0].name, outputs[0].name) != SIGNATURES[path.stem]:
            raise ValueError(f"it turns {inputs[0].name} into {outputs[0].name}")
        return Graph(session, data, metadata, largest, inputs, outputs)
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
