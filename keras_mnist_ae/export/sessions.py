"""The three graphs of an export as functions on arrays, in onnxruntime and in onnx.reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

ort.disable_telemetry_events()  # onnxruntime would look up a host of its maker

LEVELS = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
DEFAULT_LEVEL = "all"
REFERENCE_OPSET = 19  # the first with DequantizeLinear; the graphs mean the same in it

Arrays = list[NDArray[Any]]
RunGraph = Callable[[str, Arrays], Arrays]
"""From the name of a graph and its inputs to its outputs, images channels last."""


def onnxruntime_graphs(files: dict[str, bytes], level: str) -> RunGraph:
    """The graphs in onnxruntime on the CPU, at an optimisation level of `LEVELS`."""
    options = ort.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.log_severity_level = 3
    sessions = {
        name: ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        for name, content in files.items()
    }
    ports = {name: [port.name for port in each.get_inputs()] for name, each in sessions.items()}
    return _channels_last(sessions, ports)


def reference_graphs(files: dict[str, bytes]) -> RunGraph:
    """The graphs in onnx.reference, a slow second runtime in Python."""
    evaluators = {}
    for name, content in files.items():
        model = onnx.load_model_from_string(content)
        model.opset_import[0].version = max(model.opset_import[0].version, REFERENCE_OPSET)
        evaluators[name] = ReferenceEvaluator(model)
    return _channels_last(evaluators, {name: each.input_names for name, each in evaluators.items()})


def _channels_last(sessions: dict[str, Any], ports: dict[str, list[str]]) -> RunGraph:
    def run(name: str, inputs: Arrays) -> Arrays:
        feed = {
            port: _transpose(array, (0, 3, 1, 2)) for port, array in zip(ports[name], inputs, strict=True)
        }
        return [_transpose(array, (0, 2, 3, 1)) for array in sessions[name].run(None, feed)]

    return run


def _transpose(array: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    return np.ascontiguousarray(array.transpose(axes)) if array.ndim == 4 else array
