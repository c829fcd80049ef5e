"""Exported graphs in onnxruntime: ours in each precision, Keras' own export, and the export of the
same model in plain PyTorch.
"""

import tempfile
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from ..architecture.variant import Variant
from ..datasets import catalog
from ..datasets.images import to_float
from ..export import weights
from ..export.folder import CALIBRATION
from ..export.formats import PRECISIONS
from ..export.onnx.emit import emit
from ..export.onnx.nodes import OPSET
from ..models.autoencoder import Autoencoder
from ..models.build import build
from .plain import Plain
from .timing import Ratio, alternate, ratio

ROUNDS = 15
BATCHES = (1, 256)
KERAS, PYTORCH = "Keras' export", "PyTorch's export"


@dataclass(frozen=True)
class Result:
    """One graph at one batch size, on one thread. Ratios are to the time of the other graph; None
    where there is none.
    """

    variant: str
    batch: int
    graph: str
    nodes: int
    bytes: int
    microseconds: float
    to_keras: Ratio
    to_pytorch: Ratio | None
    to_float32: Ratio
    max_abs_diff: float


def measure(variant: Variant) -> list[Result]:
    """Time the autoencoder of a variant with fresh weights, all graphs by turns; `max_abs_diff` is
    from the Keras model's images.
    """
    digits = catalog.load("digits")
    model = build(variant, seed=0)
    files = _files(model, to_float(digits.train.images[:CALIBRATION]).transpose(0, 3, 1, 2))
    sessions = {name: _session(content) for name, content in files.items()}
    nodes = {name: len(onnx.load_model_from_string(content).graph.node) for name, content in files.items()}
    results = []
    for batch in BATCHES:
        images = to_float(digits.train.images[:batch])
        expected = np.asarray(model.predict_on_batch(images))
        feeds = {name: _feed(session, images) for name, session in sessions.items()}
        apart = {name: _apart(sessions[name].run(None, feeds[name])[0], expected) for name in files}
        times = alternate({name: partial(sessions[name].run, None, feeds[name]) for name in files}, ROUNDS)
        results += [
            Result(
                variant=variant.name,
                batch=batch,
                graph=name,
                nodes=nodes[name],
                bytes=len(files[name]),
                microseconds=float(np.median(times[name])) * 1e6,
                to_keras=ratio(times[name], times[KERAS]),
                to_pytorch=ratio(times[name], times[PYTORCH]) if PYTORCH in times else None,
                to_float32=ratio(times[name], times["float32"]),
                max_abs_diff=apart[name],
            )
            for name in files
        ]
    return results


def _files(model: Autoencoder, calibration: NDArray[np.float32]) -> dict[str, bytes]:
    arrays = weights.read(model)
    files: dict[str, bytes] = {
        precision: emit(model.variant, arrays, {}, precision, calibration)["autoencoder"].SerializeToString()
        for precision in PRECISIONS
    }
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's exporter, which serves both
        files[KERAS] = _of_keras(model, Path(folder) / "keras.onnx")
        plain = Plain(model.variant).eval()
        plain.load(arrays)
        if not model.variant.switches:  # PyTorch cannot export unpooling
            files[PYTORCH] = _of_pytorch(plain, model.variant, Path(folder) / "torch.onnx")
    return files


def _of_keras(model: Autoencoder, path: Path) -> bytes:
    stock = keras.Model(model.input, model.output)
    stock.trainable = False  # PyTorch's exporter stops at a trainable dense layer
    stock(np.zeros((1, *model.input.shape[1:]), np.float32))  # and Keras at a model that was never called
    stock.export(path, format="onnx", verbose=False)
    return path.read_bytes()


def _of_pytorch(module: Plain, variant: Variant, path: Path) -> bytes:
    torch.onnx.export(
        module,
        (torch.zeros(2, *variant.image),),
        path,
        dynamo=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["reconstruction"],
        dynamic_axes={"image": {0: "batch"}, "reconstruction": {0: "batch"}},
    )
    return path.read_bytes()


def _session(content: bytes) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _feed(session: Any, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    (port,) = session.get_inputs()
    last = tuple(port.shape[1:]) == images.shape[1:]  # Keras' graph takes channels last
    return {port.name: images if last else np.ascontiguousarray(images.transpose(0, 3, 1, 2))}


def _apart(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(
        np.abs((found if found.shape == expected.shape else found.transpose(0, 2, 3, 1)) - expected).max()
    )
