"""float16 and int8 graphs over every variant: what is stored, what onnxruntime makes of it, what it
costs in error.
"""

from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from graphs import ALL, GRAPHS, described, digests, emitted, first, last, small, trained
from onnx import TensorProto, numpy_helper

from keras_mnist_ae import datasets
from keras_mnist_ae.architecture import Conv, ConvTranspose, Dense, Flatten, MaxPool, MaxUnpool, Unflatten
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.export import weights
from keras_mnist_ae.export.onnx import quantization
from keras_mnist_ae.export.onnx.emit import emit
from keras_mnist_ae.export.screening import screened

IMAGES = first(to_float(datasets.load("digits").train.images[:64]))
DEEP = small(
    "deep",
    (
        (Conv(1, 4, k=3, s=2, p=1, act="relu"), (4, 14, 14)),
        (Conv(4, 8, k=3, p=1, norm=True), (8, 14, 14)),
        (MaxPool(), (8, 7, 7)),
        (Conv(8, 8, k=3, p=1, act="tanh"), (8, 7, 7)),
        (Conv(8, 4, k=3, p=1, act="relu"), (4, 7, 7)),
        (Flatten(), (196,)),
        (Dense(196, 10), (10,)),
    ),
    (
        (Dense(10, 98, act="relu"), (98,)),
        (Unflatten(2, 7, 7), (2, 7, 7)),
        (Conv(2, 4, k=3, p=1, act="relu"), (4, 7, 7)),
        (ConvTranspose(4, 4, k=4, s=2, p=1, act="relu"), (4, 14, 14)),
        (Conv(4, 4, k=3, p=1), (4, 14, 14)),
        (ConvTranspose(4, 4, k=4, s=2, p=1, act="relu"), (4, 28, 28)),
        (Conv(4, 1, k=3, p=1), (1, 28, 28)),
    ),
    (1, 28, 28),
)


@cache
def reduced(variant, precision):
    model = trained(variant)
    return emit(model.variant, weights.read(model), {"dataset": "digits"}, precision, IMAGES)


@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("name", ALL)
def test_ports_are_those_of_float32(name, precision):
    for graph in GRAPHS:
        ours, full = reduced(name, precision)[graph], emitted(name)[graph]
        onnx.checker.check_model(ours, full_check=True)
        assert described(ours.graph.input) == described(full.graph.input)
        assert described(ours.graph.output) == described(full.graph.output)
        screened(ours.SerializeToString())  # or the runtime would refuse the file
        assert {entry.key: entry.value for entry in ours.metadata_props}["kae.precision"] == precision


@pytest.mark.parametrize("name", ALL)
def test_float16_is_the_same_graph_between_two_casts(name):
    for graph in GRAPHS:
        ours, full = reduced(name, "float16")[graph].graph, emitted(name)[graph].graph
        to_number = {node.name for node in full.node if node.op_type == "Cast"}  # of switches
        of_ports = [node for node in ours.node if node.op_type == "Cast" and node.name not in to_number]
        between = [node.op_type for node in ours.node if node not in of_ports]
        assert between == [node.op_type for node in full.node]
        assert len(of_ports) == sum(
            not port.name.startswith("switch") for port in (*ours.input, *ours.output)
        )
        floats = {array.name for array in ours.initializer if array.data_type == TensorProto.FLOAT}
        assert floats <= {"twice"}, "the scales of Resize are float32 in every precision"


@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("name", ALL)
def test_files_are_smaller(name, precision):
    for graph in GRAPHS:
        sizes = [
            sum(len(array.raw_data) for array in model.graph.initializer)
            for model in (reduced(name, precision)[graph], emitted(name)[graph])
        ]
        assert sizes[0] < {"float16": 0.51, "int8": 0.45}[precision] * sizes[1]


def test_each_row_says_why_it_is_not_in_integers():
    rows = (
        (Conv(1, 64, k=4, p=2, act="relu"), (64, 29, 29)),
        (Conv(64, 16, k=4, p=1, act="relu"), (16, 28, 28)),
        (MaxPool("a"), (16, 14, 14)),
        (Flatten(), (3136,)),
        (Dense(3136, 4), (4,)),
    )
    back = ((Dense(4, 3136), (3136,)), (Unflatten(16, 14, 14), (16, 14, 14)), (MaxUnpool("a"), (16, 28, 28)))
    table = small("switched", rows, (*back, (Conv(16, 1, k=3, p=1), (1, 28, 28))), (1, 28, 28))
    told = {entry.key: entry.value for entry in reduced(table, "int8")["encoder"].metadata_props}[
        "kae.rows"
    ].split("; ")
    assert told[0].startswith("encoder/conv1: float32 from weights of 8 bits")
    assert told[1] == "encoder/conv2: float32, 8 bits would move the switches of its pooling"


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("variant", [*ALL, DEEP], ids=lambda variant: getattr(variant, "name", variant))
def test_onnxruntime_makes_integer_operators_of_all_quantised_rows(variant, graph, tmp_path):
    model = reduced(variant, "int8")[graph]
    assert any(node.op_type == "DequantizeLinear" for node in model.graph.node)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "optimised.onnx").graph
    stored = {array.name for array in nodes.initializer}
    left = [
        node.name for node in nodes.node if node.op_type == "DequantizeLinear" and node.input[0] in stored
    ]
    assert not left, "these weights are turned to float32 at every run"
    kept = [node.name for node in nodes.node if node.op_type in ("Cast", "Mul") and node.input[0] in stored]
    assert not kept, "weights kept in 8 bits are turned to float32 at every run"


def test_what_is_quantised_and_what_is_not():
    stored = {
        array.name: array.data_type
        for array in reduced(DEEP, "int8")["autoencoder"].graph.initializer
        if array.name.endswith("/weight")
    }
    quantised = {name.removesuffix("/weight") for name, kind in stored.items() if kind == TensorProto.UINT8}
    assert quantised == {
        "encoder/conv2",
        "encoder/conv4",
        "encoder/dense1",
        "decoder/dense1",
        "decoder/conv1",
    }
    kinds = {
        array.name: array.data_type for array in reduced("conv-unpool", "int8")["encoder"].graph.initializer
    }
    assert kinds["encoder/conv2/weight"] == TensorProto.FLOAT, (
        "its maxima are looked for: steps would make ties"
    )
    assert kinds["encoder/conv3/weight"] == TensorProto.UINT8


@pytest.mark.parametrize("name", ALL)
def test_quantised_weights_are_the_weights_to_half_a_step(name):
    ours = arrays(reduced(name, "int8")["autoencoder"])
    full = arrays(emitted(name)["autoencoder"])
    for tensor, steps in ours.items():
        if tensor.endswith("/weight") and steps.dtype == np.uint8:
            scale = ours[f"{tensor}/scale"].reshape(-1, *[1] * (steps.ndim - 1))
            off = np.abs((steps.astype(float) - 128) * scale - full[tensor])
            clipped = (steps == 1) | (steps == 255)
            assert (off <= scale * 0.5001)[~clipped].all()
            assert clipped.mean() < 0.1
            assert off[clipped].max(initial=0) <= 0.4 * np.abs(full[tensor]).max()
            assert steps.min() >= 1


def arrays(model):
    return {array.name: numpy_helper.to_array(array) for array in model.graph.initializer}


@pytest.mark.parametrize("name", ALL)
def test_mean_of_the_codes_is_kept(name):
    """What the correction of the biases is for: without it the means are off by some per cent of
    the spread.
    """
    means = {}
    for precision, model in (("float32", emitted(name)), ("int8", reduced(name, "int8"))):
        ready = ort.InferenceSession(model["encoder"].SerializeToString(), providers=["CPUExecutionProvider"])
        codes = ready.run(["latent"], {"image": IMAGES})[0]
        means[precision] = codes.mean(axis=0)
    np.testing.assert_allclose(means["int8"], means["float32"], rtol=0, atol=0.004 * np.std(codes))


@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("name", ALL)
def test_images_are_close_to_those_of_keras(name, precision, digits):
    ready = ort.InferenceSession(
        reduced(name, precision)["autoencoder"].SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ours = last(ready.run(None, {"image": first(digits)})[0])
    expected = trained(name).predict_on_batch(digits)
    error = np.sqrt(np.square(ours - expected).mean()) / expected.std()
    assert error < (0.1 if precision == "int8" else 0.05 if VARIANTS[name].switches else 0.005)


def test_rows_that_cost_too_much_stay_float32(monkeypatch):
    """With no rise tolerated rows go one by one, until few or none are left."""
    monkeypatch.setattr(quantization, "TOLERATED", -1.0)
    model = trained("mlp")
    graph = emit(model.variant, weights.read(model), {}, "int8", IMAGES)["autoencoder"].graph
    assert not {"QuantizeLinear", "DequantizeLinear", "Cast"} & {node.op_type for node in graph.node}


def test_second_emission_gives_the_same_bytes():
    model = trained("conv-avgpool")
    again = emit(model.variant, weights.read(model), {"dataset": "digits"}, "int8", IMAGES)
    assert digests(again) == digests(reduced("conv-avgpool", "int8"))
