"""The emitter over every variant: form of the graphs, agreement with Keras and two other judges,
exact unpooling, equal bytes.
"""

from functools import cache

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from graphs import (
    ALL,
    GRAPHS,
    assert_codes_equal,
    assert_images_equal,
    described,
    digests,
    dimensions,
    emitted,
    first,
    last,
    small,
    trained,
)
from onnx.reference import ReferenceEvaluator
from torch import nn

from keras_mnist_ae.architecture import (
    Conv,
    ConvTranspose,
    Dense,
    Flatten,
    Gaussian,
    MaxPool,
    MaxUnpool,
    Rescale,
    Unflatten,
)
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.export import weights
from keras_mnist_ae.export.onnx.emit import emit
from keras_mnist_ae.export.onnx.lowering import Row
from keras_mnist_ae.export.onnx.polyphase import by_phases
from keras_mnist_ae.export.screening import OPERATORS

POOL = "MaxPool MaxPool Equal Where MaxPool Equal Where MaxPool Equal Where"
UNPOOL = "Cast Resize Resize Equal Where"  # int32: Equal has no kernel for uint8 before onnxruntime 1.21
OPERATIONS = {
    "conv-avgpool": (
        "Conv Relu Conv Relu Conv Relu GlobalAveragePool Flatten",
        "Gemm Relu Reshape ConvTranspose Relu ConvTranspose Relu ConvTranspose",
        "Conv Relu Conv Relu Conv Relu GlobalAveragePool Flatten Gemm Relu Reshape ConvTranspose Relu "
        "ConvTranspose Relu ConvTranspose",
    ),
    "conv-k15": (
        "Conv Relu Conv Relu Conv Relu Flatten Gemm",
        "Gemm Relu Reshape ConvTranspose Relu ConvTranspose Relu ConvTranspose",
        "Conv Relu Conv Relu Conv Relu Flatten Gemm Gemm Relu Reshape ConvTranspose Relu ConvTranspose "
        "Relu ConvTranspose",
    ),
    "conv-k16": (
        "Conv Relu Conv Relu Flatten Gemm Relu",
        "Gemm Relu Reshape ConvTranspose Relu ConvTranspose Relu",
        "Conv Relu Conv Relu Flatten Gemm Relu Gemm Relu Reshape ConvTranspose Relu ConvTranspose Relu",
    ),
    "conv-unpool": (
        f"Conv Relu {POOL} Conv Relu {POOL} Flatten Gemm",
        f"Gemm Relu Reshape {UNPOOL} ConvTranspose Relu {UNPOOL} ConvTranspose",
        f"Conv Relu {POOL} Conv Relu {POOL} Flatten Gemm Gemm Relu Reshape {UNPOOL} ConvTranspose Relu "
        f"{UNPOOL} ConvTranspose",
    ),
    "mlp": (
        "Flatten Gemm Relu Gemm Relu Gemm",
        "Gemm Relu Gemm Relu Gemm Sigmoid Reshape",
        "Flatten Gemm Relu Gemm Relu Gemm Gemm Relu Gemm Relu Gemm Sigmoid Reshape",
    ),
}


@cache
def session(variant, graph):
    return ort.InferenceSession(
        emitted(variant)[graph].SerializeToString(), providers=["CPUExecutionProvider"]
    )


def run(variant, graph, *arrays):
    """A graph's outputs for channels-last inputs, channels last."""
    ready = session(variant, graph)
    return [
        last(array) for array in ready.run(None, dict(zip(names(ready), map(first, arrays), strict=True)))
    ]


def names(ready):
    return [port.name for port in ready.get_inputs()]


def as_list(value):
    return [np.asarray(array) for array in (value if isinstance(value, list) else [value])]


def taken(name, codes):
    """Of what an encoder gives, what its decoder takes."""
    return codes[:1] if VARIANTS[name].variational else codes


def clear_windows(model, images):
    """For each switch, where the first maximum leads by more than rounding can take away."""
    clear = []
    for step in model.variant.encoder:
        if isinstance(step.layer, MaxPool) and step.layer.switch:
            before = as_list(
                keras.Model(model.encoder.input, model.encoder.get_layer(step.name).input).predict_on_batch(
                    images
                )
            )[0]
            n, height, width, channels = before.shape
            windows = before.reshape(n, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 5, 2, 4)
            ordered = np.sort(windows.reshape(n, height // 2, width // 2, channels, 4))
            clear.append(ordered[..., 3] - ordered[..., 2] > 1e-5)
    return clear


# --- form


@pytest.mark.parametrize("name", ALL)
def test_inputs_outputs_and_versions_are_the_contract(name):
    variant = VARIANTS[name]
    image, latent = (
        (onnx.TensorProto.FLOAT, ["batch", *variant.image]),
        (onnx.TensorProto.FLOAT, ["batch", variant.latent]),
    )
    switches = {
        f"switch_{switch}": (onnx.TensorProto.UINT8, ["batch", *shape])
        for switch, shape in variant.switches.items()
    }
    expected = {
        "encoder": (
            {"image": image},
            {"latent": latent, **switches, **({"log_variance": latent} if variant.variational else {})},
        ),
        "decoder": ({"latent": latent, **switches}, {"reconstruction": image}),
        "autoencoder": ({"image": image}, {"reconstruction": image}),
    }
    found = {
        key: (described(model.graph.input), described(model.graph.output))
        for key, model in emitted(name).items()
    }
    assert found == expected
    for model in emitted(name).values():
        assert model.ir_version == 8
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", ALL)
def test_graph_passes_the_checker_and_every_tensor_has_its_shape(name, graph):
    model = emitted(name)[graph]
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    shapes = {value.name: dimensions(value) for value in (*inferred.graph.value_info, *inferred.graph.output)}
    for node in model.graph.node:
        batch, *rest = shapes[node.output[0]]
        assert batch == "batch", node.name
        assert all(isinstance(size, int) and size > 0 for size in rest), node.name
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    bare.graph.ClearField("value_info")
    for value in onnx.shape_inference.infer_shapes(bare, strict_mode=True, data_prop=True).graph.value_info:
        assert dimensions(value)[1:] == shapes[value.name][1:], (
            "a stored shape is not the one the operators give"
        )


@pytest.mark.parametrize("name", OPERATIONS)
def test_operators_are_those_a_hand_would_write(name):
    assert (
        tuple(" ".join(node.op_type for node in emitted(name)[graph].graph.node) for graph in GRAPHS)
        == OPERATIONS[name]
    )


@pytest.mark.parametrize("name", ALL)
def test_at_most_a_node_per_row_and_activation(name):
    variant = VARIANTS[name]
    for graph, stacks in zip(
        GRAPHS, ((variant.encoder,), (variant.decoder,), (variant.encoder, variant.decoder)), strict=True
    ):
        nodes = emitted(name)[graph].graph.node
        assert {node.op_type for node in nodes} <= OPERATORS, "the runtime would refuse the file"
        layers = [step.layer for stack in stacks for step in stack]
        allowed = len(layers) + sum(getattr(layer, "act", None) is not None for layer in layers)
        allowed += sum(9 for layer in layers if isinstance(layer, MaxPool) and layer.switch)
        allowed += sum(4 for layer in layers if isinstance(layer, MaxUnpool))
        allowed += sum(getattr(layer, "act", None) == "silu" for layer in layers)  # two nodes
        allowed += sum(isinstance(layer, Gaussian) for layer in layers)
        assert len(nodes) <= allowed


def test_names_read_like_the_table():
    graph = emitted("conv-avgpool")["autoencoder"].graph
    assert [node.name for node in graph.node][:7] == [
        *(
            "encoder/conv1",
            "encoder/conv1/relu",
            "encoder/conv2",
            "encoder/conv2/relu",
            "encoder/conv3",
            "encoder/conv3/relu",
        ),
        "encoder/globalaveragepool1",
    ]
    assert [node.name for node in graph.node][7:11] == [
        *(
            "encoder/flatten1",
            "decoder/convtranspose1",
            "decoder/convtranspose1/relu",
            "decoder/convtranspose1/unflatten",
        ),
    ]
    assert [(array.name, list(array.dims)) for array in graph.initializer][-2:] == [
        ("decoder/convtranspose4/weight", [8, 1, 4, 4]),
        ("decoder/convtranspose4/bias", [1]),
    ]


@pytest.mark.parametrize("name", ALL)
def test_metadata(name):
    variant = VARIANTS[name]
    for model in emitted(name).values():
        found = {entry.key: entry.value for entry in model.metadata_props}
        assert list(found) == sorted(found)
        assert found.pop("kae.weights_sha256") == weights.fingerprint(weights.read(trained(name)))
        assert found.pop("kae.version")
        assert found == {
            "kae.dataset": "digits",
            "kae.latent_size": str(variant.latent),
            "kae.pixel_range": "[0, 1]",
            "kae.precision": "float32",
            "kae.variant": name,
        }


# --- agreement


@pytest.mark.parametrize("batch", [0, 1, 7, 33])
@pytest.mark.parametrize("name", ALL)
def test_equals_keras(name, batch, digits):
    model, images = trained(name), digits[:batch]
    ours = run(name, "encoder", images)
    if not batch:
        empty = (*ours, *run(name, "decoder", *taken(name, ours)), *run(name, "autoencoder", images))
        assert {len(array) for array in empty} == {0}
        return
    theirs = as_list(model.encoder.predict_on_batch(images))
    assert_codes_equal(ours[0], theirs[0])
    if model.variant.variational:
        assert_codes_equal(ours.pop(), theirs.pop())
    same = np.ones(batch, bool)
    for switch, expected, clear in zip(ours[1:], theirs[1:], clear_windows(model, images), strict=True):
        assert switch.dtype == np.uint8
        np.testing.assert_array_equal(switch[clear], expected[clear])
        same &= (switch == expected).all(axis=(1, 2, 3))
    assert same.mean() > 0.8, (
        "switches may differ where two pixels of a window are equal up to rounding, which is rare"
    )
    expected = np.asarray(model.decoder.predict_on_batch(theirs if theirs[1:] else theirs[0]))
    assert_images_equal(run(name, "decoder", *theirs)[0], expected)
    assert_images_equal(run(name, "autoencoder", images)[0][same], expected[same])
    assert_images_equal(run(name, "decoder", *ours)[0][same], expected[same])


@pytest.mark.parametrize("name", ALL)
def test_equals_the_reference_evaluator(name, digits):
    image = first(digits[:3])
    codes = session(name, "encoder").run(None, {"image": image})
    feeds = {"encoder": [image], "decoder": taken(name, codes), "autoencoder": [image]}
    for graph, arrays in feeds.items():
        feed = dict(zip(names(session(name, graph)), arrays, strict=True))
        expected = ReferenceEvaluator(emitted(name)[graph]).run(None, feed)
        for ours, theirs in zip(session(name, graph).run(None, feed), expected, strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * max(1, np.abs(theirs).max()))


@pytest.mark.filterwarnings("ignore")  # of PyTorch's exporter
@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras exports to ONNX with torch alone")
@pytest.mark.parametrize("name", ALL)
def test_equals_what_keras_exports(name, digits, tmp_path):
    model = trained.__wrapped__(name)
    stock = keras.Model(model.input, model.output)
    stock.trainable = False  # PyTorch's exporter stops at a trainable dense layer
    stock(digits[:1])  # and Keras at a model that was never called
    stock.export(tmp_path / "keras.onnx", format="onnx", verbose=False)
    theirs = ort.InferenceSession(tmp_path / "keras.onnx", providers=["CPUExecutionProvider"])
    assert_images_equal(
        run(name, "autoencoder", digits[:16])[0], theirs.run(None, {names(theirs)[0]: digits[:16]})[0]
    )


# --- unpooling

PURE = small(
    "pure", ((MaxPool("a"), (3, 4, 2)), (Flatten(), (24,))), ((Unflatten(3, 4, 2), (3, 4, 2)), (MaxUnpool("a"), (3, 8, 4))), (3, 8, 4)
)  # fmt: skip


def pure(graph, *arrays):
    model = emit(PURE, {"encoder": {}, "decoder": {}}, {})[graph]
    ready = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return ready.run(None, dict(zip(names(ready), arrays, strict=True)))


@pytest.mark.parametrize("levels", [1, 2, 3, 10_000], ids=lambda levels: f"{levels} grey levels")
def test_first_maximum_wins_and_goes_back_to_its_place(levels):
    images = (np.random.default_rng(levels).integers(0, levels, (50, 3, 8, 4)) - levels // 2).astype(
        np.float32
    )
    windows = images.reshape(50, 3, 4, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(50, 3, 4, 2, 4)
    latent, switch = pure("encoder", images)
    np.testing.assert_array_equal(switch, windows.argmax(axis=-1))  # numpy's is the first
    np.testing.assert_array_equal(latent, windows.max(axis=-1).reshape(50, 24))
    rows, columns = np.indices((4, 2))
    where = torch.from_numpy((2 * rows + switch // 2) * 4 + 2 * columns + switch % 2)
    expected = nn.functional.max_unpool2d(torch.from_numpy(latent.reshape(50, 3, 4, 2)), where, 2)
    np.testing.assert_array_equal(pure("decoder", latent, switch)[0], expected)
    np.testing.assert_array_equal(pure("autoencoder", images)[0], expected)
    parts = [pure("decoder", latent[at : at + 7], switch[at : at + 7])[0] for at in range(0, 50, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize("name", [name for name in ALL if VARIANTS[name].switches])
def test_codes_and_switches_decode_in_any_slices(name, digits):
    codes = run(name, "encoder", digits)
    whole = run(name, "decoder", *codes)[0]
    for size in (1, 3, 64):
        parts = [
            run(name, "decoder", *(array[at : at + size] for array in codes))[0]
            for at in range(0, len(digits), size)
        ]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-6)
    shuffled = np.random.default_rng(0).permutation(len(digits))
    np.testing.assert_allclose(
        run(name, "decoder", *(array[shuffled] for array in codes))[0], whole[shuffled], rtol=0, atol=1e-6
    )


# --- folding and layouts no variant of today has

CASES = {
    "rescale before an unpadded convolution": (
        ((Rescale(2.0, -1.0), (2, 6, 4)), (Conv(2, 3, k=2, act="tanh"), (3, 5, 3)), (Flatten(), (45,))),
        "Conv Tanh Flatten",
    ),
    "rescale before a padded convolution, whose zeros it must not reach": (
        ((Rescale(2.0, -1.0), (2, 6, 4)), (Conv(2, 1, k=3, p=1), (1, 6, 4)), (Flatten(), (24,))),
        "Mul Add Conv Flatten",
    ),
    "scale alone before a padded convolution": (
        ((Rescale(3.0, 0.0), (2, 6, 4)), (Conv(2, 1, k=3, p=1), (1, 6, 4)), (Flatten(), (24,))),
        "Conv Flatten",
    ),
    "rescale after a normalised convolution": (
        ((Conv(2, 3, k=3, p=1, norm=True), (3, 6, 4)), (Rescale(-2.0, 0.5), (3, 6, 4)), (Flatten(), (72,))),
        "Conv Flatten",
    ),
    "rescale after a relu": (
        ((Conv(2, 3, k=3, p=1, act="relu"), (3, 6, 4)), (Rescale(2.0, 0.5), (3, 6, 4)), (Flatten(), (72,))),
        "Conv Relu Mul Add Flatten",
    ),
    "tanh to another range than [0, 1]": (
        ((Conv(2, 3, k=3, p=1, act="tanh"), (3, 6, 4)), (Rescale(0.5, 0.25), (3, 6, 4)), (Flatten(), (72,))),
        "Conv Tanh Mul Add Flatten",
    ),
    "tanh to [0, 1] past a flattening": (
        ((Conv(2, 3, k=3, p=1, act="tanh"), (3, 6, 4)), (Flatten(), (72,)), (Rescale(0.5, 0.5), (72,))),
        "Conv Sigmoid Flatten",
    ),
    "two rescales around a flattening": (
        (
            (Rescale(2.0, -1.0), (2, 6, 4)),
            (Flatten(), (48,)),
            (Rescale(0.5, 3.0), (48,)),
            (Dense(48, 5), (5,)),
        ),
        "Flatten Gemm",
    ),
    "a single pixel from a part of the image": (
        ((Conv(2, 3, k=4, s=3, act="relu"), (3, 1, 1)), (Flatten(), (3,))),
        "Flatten Gemm Relu",
    ),
    "a single pixel from a kernel that reaches over the image": (
        ((Conv(2, 3, k=7, s=4, p=2, norm=True), (3, 1, 1)), (Flatten(), (3,))),
        "Flatten Gemm",
    ),
    "a single pixel on the way": (
        (
            (Conv(2, 3, k=7, s=4, p=2), (3, 1, 1)),
            (ConvTranspose(3, 2, k=5, p=1, act="tanh"), (2, 3, 3)),
            (Flatten(), (18,)),
        ),
        "Flatten Gemm Gemm Tanh",
    ),
    "pooling that leaves a row and a column out": (
        ((Conv(2, 3, k=2, act="relu"), (3, 5, 3)), (MaxPool(), (3, 2, 1)), (Flatten(), (6,))),
        "Conv Relu MaxPool Flatten",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_small_encoders_equal_keras(case):
    encoder, operators = CASES[case]
    size = encoder[-1][1][0]
    decoder = (
        (Dense(size, 72, act="tanh"), (72,)),
        (Unflatten(3, 6, 4), (3, 6, 4)),
        (ConvTranspose(3, 2, k=3, p=1, norm=True), (2, 6, 4)),
    )
    variant = small("case", encoder, decoder, (2, 6, 4))
    model = trained(variant)
    assert " ".join(node.op_type for node in emitted(variant)["encoder"].graph.node) == operators
    for each in emitted(variant).values():
        onnx.checker.check_model(each, full_check=True)
    images = np.random.default_rng(1).random((5, 6, 4, 2), np.float32)
    assert_codes_equal(run(variant, "encoder", images)[0], model.encoder.predict_on_batch(images))
    assert_images_equal(run(variant, "autoencoder", images)[0], model.predict_on_batch(images))


@pytest.mark.parametrize("wide", [((8, 8), 0), ((9, 8), 2), ((11, 13), 1), ((15, 15), 4)])
@pytest.mark.parametrize("taking", [(1, 0), (2, 0), (2, 1), (3, 1), ((3, 5), 2), (4, 1), (5, 3)])
def test_pairs_by_phases_are_what_pytorch_makes_of_the_rows(wide, taking):
    generator = np.random.default_rng(0)
    first = Conv(2, 5, k=wide[0], p=wide[1], act="relu")
    shape = (2, *(12 + size - 1 - 2 * first.p for size in first.kernel))  # to 12 x 12 outputs
    second = Conv(5, 6, k=taking[0], s=2, p=taking[1])
    between, after = first.output_shape(shape), second.output_shape(first.output_shape(shape))
    weights = [
        generator.standard_normal((layer.outputs, layer.inputs, *layer.kernel)) for layer in (first, second)
    ]
    biases = [generator.standard_normal(layer.outputs) for layer in (first, second)]
    rows = [
        Row("first", first, shape, between, weights[0], biases[0], "Relu"),
        Row("second", second, between, after, weights[1], biases[1]),
    ]
    changed = by_phases(rows)
    assert changed[0].output == (20, 6, 6)

    def outcome(rows):
        x = torch.from_numpy(np.random.default_rng(1).standard_normal((3, *shape)))
        for row in rows:
            top, left, bottom, right = row.pads or [row.layer.p] * 4
            padded = torch.nn.functional.pad(x, (left, right, top, bottom))
            x = torch.nn.functional.conv2d(
                padded, torch.from_numpy(row.weight), torch.from_numpy(row.bias), row.layer.s
            )
            assert x.shape[1:] == row.output
            x = torch.relu(x) if row.act else x
        return x

    torch.testing.assert_close(outcome(changed), outcome(rows), rtol=0, atol=1e-10)


def test_pairs_that_would_not_gain_stay_as_they_are():
    def pair(one, other, shape):
        return [
            Row("first", one, shape, one.output_shape(shape)),
            Row("second", other, one.output_shape(shape), (1, 1, 1)),
        ]

    for one, other, shape in (
        (Conv(1, 8, k=7), Conv(8, 8, k=3, s=2), (1, 28, 28)),  # a small kernel
        (Conv(1, 16, k=9), Conv(16, 8, k=3, s=2), (1, 28, 28)),  # outputs enough
        (Conv(1, 8, k=8), Conv(8, 8, k=3, s=2), (1, 28, 28)),  # 21 x 21
        (Conv(1, 8, k=9), Conv(8, 8, k=3), (1, 28, 28)),  # stride 1
    ):
        rows = pair(one, other, shape)
        assert by_phases(rows) == rows


def test_flattening_to_another_shape_is_kept():
    variant = small("case", ((Flatten(), (24,)),), ((Unflatten(2, 3, 4), (2, 3, 4)), (ConvTranspose(2, 1, k=4), (1, 6, 7)),
        (Conv(1, 1, k=1), (1, 6, 7)), (Flatten(), (42,)), (Dense(42, 24), (24,)), (Unflatten(1, 6, 4), (1, 6, 4))), (1, 6, 4))  # fmt: skip
    operators = [node.op_type for node in emitted(variant)["autoencoder"].graph.node]
    assert operators == ["Flatten", "Reshape", "ConvTranspose", "Conv", "Flatten", "Gemm", "Reshape"]
    images = np.random.default_rng(1).random((5, 6, 4, 1), np.float32)
    assert_images_equal(run(variant, "autoencoder", images)[0], trained(variant).predict_on_batch(images))


# --- weights


def test_weights_are_a_pytorch_state_dict():
    encoder = {
        "conv1": nn.Conv2d(1, 16, 3, bias=False),
        "conv2": nn.Conv2d(16, 32, 3, bias=False),
        "conv3": nn.Conv2d(32, 64, 7),
    }
    encoder |= {"conv1_norm": nn.BatchNorm2d(16), "conv2_norm": nn.BatchNorm2d(32)}
    decoder = {
        "convtranspose1": nn.ConvTranspose2d(64, 32, 7, bias=False),
        "convtranspose1_norm": nn.BatchNorm2d(32),
    }
    decoder |= {
        "convtranspose2": nn.ConvTranspose2d(32, 16, 3, bias=False),
        "convtranspose2_norm": nn.BatchNorm2d(16),
    }
    decoder |= {"convtranspose3": nn.ConvTranspose2d(16, 1, 3)}
    module = nn.ModuleDict({"encoder": nn.ModuleDict(encoder), "decoder": nn.ModuleDict(decoder)})
    found = weights.read(trained("conv-unpool"))
    layers = {
        f"{stack}.{layer}": arrays for stack, layers in found.items() for layer, arrays in layers.items()
    }
    arrays = {f"{layer}.{name}": array for layer, named in layers.items() for name, array in named.items()}
    module.load_state_dict(
        {key: torch.from_numpy(array) for key, array in arrays.items()}
    )  # strict: nothing missing, nothing left
    norm = trained("conv-unpool").decoder.get_layer("convtranspose2_norm").get_weights()
    for name, expected in zip(("weight", "bias", "running_mean", "running_var"), norm, strict=True):
        np.testing.assert_array_equal(arrays[f"decoder.convtranspose2_norm.{name}"], expected)


def test_dense_weights_are_laid_out_as_in_pytorch():
    dense = weights.read(trained("mlp"))["encoder"]["dense1"]
    assert dense["weight"].shape == (128, 784)
    expected = trained("mlp").encoder.get_layer("dense1").get_weights()
    np.testing.assert_array_equal(dense["weight"].T, expected[0])
    np.testing.assert_array_equal(dense["bias"], expected[1])


def test_fingerprint_tells_names_shapes_and_values():
    def of(name="weight", values=(1, 2, 3, 4), shape=(2, 2), stack="encoder"):
        return weights.fingerprint(
            {
                stack: {
                    "conv1": {
                        "bias": np.zeros(2, np.float32),
                        name: np.array(values, np.float32).reshape(shape),
                    }
                }
            }
        )

    assert of() == of()
    assert len({of(), of(name="other"), of(values=(1, 2, 3, 5)), of(shape=(4, 1)), of(stack="decoder")}) == 5
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    orders = ({"a": array, "b": array}, {"b": np.asfortranarray(array), "a": array})
    assert len({weights.fingerprint({"encoder": {"conv1": order}}) for order in orders}) == 1


# --- bytes


def test_order_of_metadata_and_of_weights_does_not_matter():
    model = trained("conv-unpool")
    read = weights.read(model)
    turned = {
        stack: {layer: dict(reversed(arrays.items())) for layer, arrays in reversed(read[stack].items())}
        for stack in reversed(read)
    }
    assert digests(emit(model.variant, read, {"a": "1", "b": "2"})) == digests(
        emit(model.variant, turned, {"b": "2", "a": "1"})
    )
