"""The explorer's evaluator in Chromium against onnxruntime: operator by operator, then whole graphs."""

import base64

import numpy as np
import onnxruntime as ort
import pytest
from graphs import emitted, trained
from onnx import TensorProto, helper, numpy_helper
from support import some

from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.export import weights
from keras_mnist_ae.export.onnx.emit import emit
from keras_mnist_ae.export.screening import OPERATORS

RNG = np.random.default_rng(7)
F32, U8, I32 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT32

RUN = """([file, feeds]) => {
  const { readModel } = modules.model, { prepare } = modules.graph;
  const bytes = Uint8Array.from(atob(file), (c) => c.charCodeAt(0));
  const tensors = Object.entries(feeds).map(([name, { dims, data }]) => [name, { dims, data: Float32Array.from(data) }]);
  const found = prepare(readModel(bytes))(Object.fromEntries(tensors));
  return Object.fromEntries(Object.entries(found).map(([k, { dims, data }]) => [k, { dims, data: Array.from(data) }]));
}"""


def evaluate(script, content, feeds):
    """The outputs of a graph in the browser, where four dimensions lie channels last."""
    told = {}
    for name, array in feeds.items():
        memory = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        told[name] = {"dims": list(array.shape), "data": memory.astype(np.float64).ravel().tolist()}
    found = script(RUN, [base64.b64encode(content).decode(), told])
    return {name: unpacked(**each) for name, each in found.items()}


def unpacked(dims, data):
    array = np.array(data, np.float32)
    if len(dims) != 4:
        return array.reshape(dims)
    n, c, h, w = dims
    return array.reshape(n, h, w, c).transpose(0, 3, 1, 2)


def session(content, level=ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = level
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def graph(operator, inputs, constants=(), outputs=F32, kinds=(), **attributes):
    """A model of one node: the inputs are arrays, then constants; None leaves an input out."""
    names = [f"input{i}" for i in range(len(inputs))]
    held = {f"constant{i}": each for i, each in enumerate(constants) if each is not None}
    given = [name if (name := f"constant{i}") in held else "" for i in range(len(constants))]
    node = helper.make_node(operator, [*names, *given], ["output"], **attributes)
    kinds = kinds or [F32] * len(inputs)
    made = helper.make_graph(
        [node],
        operator,
        [
            helper.make_tensor_value_info(name, kind, ["batch", *array.shape[1:]])
            for name, kind, array in zip(names, kinds, inputs, strict=True)
        ],
        [helper.make_tensor_value_info("output", outputs, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in held.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString(), dict(zip(names, inputs, strict=True))


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def whole(kind, low, high, *shape):
    return RNG.integers(low, high, shape).astype(kind)


IMAGE = normal(2, 3, 9, 7)
WINDOW = {"kernel_shape": [4, 3], "strides": [2, 2], "pads": [1, 0, 2, 1]}
NEAREST = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}
HALVES = np.array([[0.5, 1.5, 2.5, -0.5, 3.49, 400.0, -400.0]], np.float32)
CASES = {
    "Conv": graph("Conv", [IMAGE], [normal(5, 3, 4, 3), normal(5)], **WINDOW),
    "ConvTranspose": graph("ConvTranspose", [IMAGE], [normal(3, 5, 4, 3), normal(5)], **WINDOW),
    "Gemm": graph("Gemm", [normal(2, 11)], [normal(6, 11), normal(6)], transB=1),
    "MaxPool": graph("MaxPool", [IMAGE], kernel_shape=[2, 1], strides=[2, 2]),
    "GlobalAveragePool": graph("GlobalAveragePool", [IMAGE]),
    "Flatten": graph("Flatten", [IMAGE]),
    "Reshape": graph("Reshape", [normal(2, 24)], [np.array([0, 2, 4, 3])]),
    "Mul": graph("Mul", [IMAGE], [np.float32(2.5)]),
    "Add": graph("Add", [IMAGE, normal(2, 3, 9, 7)]),
    "Relu": graph("Relu", [np.where(IMAGE > 2, np.float32(np.nan), IMAGE)]),
    "Tanh": graph("Tanh", [3 * IMAGE]),
    "Sigmoid": graph("Sigmoid", [40 * IMAGE]),
    "Equal": graph(
        "Equal",
        [whole(np.int32, 0, 4, 2, 3, 4, 6)],
        [whole(np.int32, 0, 4, 4, 6)],
        TensorProto.BOOL,
        [I32],
    ),
    "Where": graph(
        "Where",
        [whole(bool, 0, 2, 2, 3, 4, 4), normal(2, 3, 4, 4)],
        [np.float32(-1)],
        kinds=[TensorProto.BOOL, F32],
    ),
    "Resize": graph("Resize", [IMAGE], [None, np.array([1, 1, 2, 2], np.float32)], **NEAREST),
    "Cast": graph("Cast", [whole(np.uint8, 0, 4, 2, 3, 4, 4)], outputs=I32, kinds=[U8], to=I32),
    "QuantizeLinear": graph("QuantizeLinear", [HALVES], [np.float32(1), np.uint8(100)], U8),
    "DequantizeLinear": graph(
        "DequantizeLinear", [whole(np.uint8, 0, 255, 2, 9)], [np.float32(0.1), np.uint8(100)], kinds=[U8]
    ),
}


def test_the_evaluator_knows_the_operators_of_the_exporter(script):
    known = script("() => [Object.keys(modules.model.ATTRIBUTES), Object.keys(modules.operators.OPERATORS)]")
    assert set(known[0]) == set(known[1]) == set(CASES) == OPERATORS


@pytest.mark.parametrize("operator", CASES)
def test_operator(script, operator):
    content, feeds = CASES[operator]
    (expected,) = session(content).run(None, feeds)
    found = evaluate(script, content, feeds)["output"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected.astype(np.float32), rtol=1e-6, atol=2e-6)


def test_weights_in_steps_of_one_scale_each(script):
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["weight"], axis=0),
        helper.make_node("Gemm", ["input0", "weight", "b"], ["output"], transB=1),
    ]
    constants = {
        "w": whole(np.uint8, 0, 255, 6, 11),
        "s": np.abs(normal(6)),
        "z": np.full(6, 128, np.uint8),
        "b": normal(6),
    }
    made = helper.make_graph(
        nodes,
        "steps",
        [helper.make_tensor_value_info("input0", F32, ["batch", 11])],
        [helper.make_tensor_value_info("output", F32, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    content = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    feeds = {"input0": normal(3, 11)}
    (expected,) = session(content).run(None, feeds)
    np.testing.assert_allclose(evaluate(script, content, feeds)["output"], expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("variant", some([*VARIANTS, "colour"], "conv-avgpool", "conv-unpool", "colour"))
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_graphs_of_every_variant(script, digits, variant, precision):
    files, images = exported(variant, precision, digits)
    names = [port.name for port in session(files["encoder"]).get_outputs()]
    # the steps of int8 are those of the graph only where onnxruntime does not fuse them
    level = getattr(ort.GraphOptimizationLevel, f"ORT_{'DISABLE' if precision == 'int8' else 'ENABLE'}_ALL")
    outputs = session(files["encoder"], level).run(None, {"image": images})
    expected = dict(zip(names, outputs, strict=True))
    found = evaluate(script, files["encoder"], {"image": images})
    for name in names:
        # a code may fall on the other side of a rounding: of float16, or of a step of int8
        rounding = {"float32": 1e-5, "float16": 2**-10, "int8": 2e-2}[precision]
        atol = rounding * max(1, np.abs(expected[name]).max()) if not name.startswith("switch") else 0
        np.testing.assert_allclose(found[name], expected[name].astype(np.float32), rtol=0, atol=atol)
        assert np.abs(found[name] - expected[name].astype(np.float32)).mean() < 2e-5
    decoder = session(files["decoder"], level)
    feeds = {port.name: expected[port.name] for port in decoder.get_inputs()}
    (expected_images,) = decoder.run(None, feeds)
    found_images = evaluate(script, files["decoder"], feeds)["reconstruction"]
    atol = {"float32": 1e-5, "float16": 1e-4, "int8": 1e-4}[precision]
    np.testing.assert_allclose(found_images, expected_images, rtol=0, atol=atol)


@pytest.mark.slow
@pytest.mark.parametrize("variant", [*VARIANTS, "colour"])
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_graphs_in_onnxruntime_web(script, onnxruntime_web, digits, variant, precision):
    """The second judge, in the same browser."""
    files, images = exported(variant, precision, digits)
    codes = onnxruntime_web(files["encoder"], {"image": images}, precision != "int8")
    # a number may fall on the other side of a rounding: of float16, or of a step of int8
    rounding = {"float32": 2e-5, "float16": 2**-10, "int8": 2e-2}[precision]
    for name, found in evaluate(script, files["encoder"], {"image": images}).items():
        atol = 0 if name.startswith("switch") else rounding * max(1, np.abs(codes[name]).max())
        np.testing.assert_allclose(found, codes[name], rtol=0, atol=atol)
    session_ = session(files["decoder"])
    feeds = {
        port.name: codes[port.name].astype(
            {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}[port.type]
        )
        for port in session_.get_inputs()
    }
    expected = onnxruntime_web(files["decoder"], feeds, precision != "int8")["reconstruction"]
    found = evaluate(script, files["decoder"], feeds)["reconstruction"]
    atol = {"float32": 2e-5, "float16": 1e-4, "int8": 1e-4}[precision]
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def exported(variant, precision, digits):
    """Encoder and decoder as bytes, and two images, channels first."""
    images = np.ascontiguousarray(digits[:32].transpose(0, 3, 1, 2))
    if variant == "colour":
        from keras_mnist_ae.architecture.families import conv

        images, variant = np.repeat(images, 3, axis=1), conv((3, 28, 28))
        model = trained(variant)
        models = emit(model.variant, weights.read(model), {"dataset": "digits"}, precision, images)
    elif precision == "float32":
        models = emitted(variant)
    else:
        model = trained(variant)
        models = emit(model.variant, weights.read(model), {"dataset": "digits"}, precision, images)
    return {name: each.SerializeToString() for name, each in models.items()}, images[:2]


def test_float16_numbers(script):
    halves = np.arange(2**16, dtype=np.uint16)
    finite = np.isfinite(halves.view(np.float16))
    found = script(
        """(halves) => {
          const { fromBase64, fromHalf, typed } = modules.numbers;
          const { buffer } = fromHalf(typed(Uint16Array, fromBase64(halves)));
          return btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
        }""",
        base64.b64encode(halves[finite].tobytes()).decode(),
    )
    numbers = np.frombuffer(base64.b64decode(found), np.float32)
    assert np.array_equal(numbers, halves[finite].view(np.float16).astype(np.float32))
    values = np.concatenate([10 * normal(2000), 1e-7 * normal(2000), [1 + 2**-11, 1 + 3 * 2**-11, 65503]])
    values = values.astype(np.float32)
    found = script("(values) => values.map(modules.numbers.roundToHalf)", values.tolist())
    assert np.array_equal(np.array(found, np.float32), values.astype(np.float16).astype(np.float32))
