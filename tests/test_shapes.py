"""What a graph computes is known before onnxruntime sees it, and bounded."""

import copy

import numpy as np
import onnx
import pytest
from graphs import ALL, emitted
from onnx import helper, numpy_helper

from keras_mnist_ae.export import screening, shapes


def parsed(monkeypatch, model):
    found = []
    monkeypatch.setattr(shapes, "check", found.append)
    screening.screened(model.SerializeToString())
    monkeypatch.undo()
    return found[0]


@pytest.mark.parametrize("name", ALL)
def test_largest_tensor_is_that_of_onnx_own_inference(monkeypatch, name):
    for model in emitted(name).values():
        bare = copy.deepcopy(model)
        del bare.graph.value_info[:]
        inferred = onnx.shape_inference.infer_shapes(bare, strict_mode=True, data_prop=True).graph
        sizes = [
            int(np.prod([side.dim_value for side in port.type.tensor_type.shape.dim][1:]))
            for port in (*inferred.input, *inferred.value_info, *inferred.output)
            if port.type.tensor_type.shape.dim and port.type.tensor_type.shape.dim[0].dim_param
        ]
        assert shapes.check(parsed(monkeypatch, model)) == max(sizes)


def metadata(key, value):
    return lambda model: model.metadata_props.add(key=key, value=value)


def ladder(operator, count):
    """Nodes that each take the one before it twice, or once."""

    def change(model):
        x = model.graph.output[0].name
        for at in range(count):
            inputs = [x, x] if operator == "Add" else [x]
            model.graph.node.append(helper.make_node(operator, inputs, [f"rung{at}"]))
            x = f"rung{at}"

    return change


def constant(model):
    weight = model.graph.initializer[0].name
    model.graph.node.append(helper.make_node("Add", [weight, weight], ["sum"]))


def grown(model):
    for name, shape in (("column", (300, 1)), ("row", (1, 300))):
        model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
    model.graph.node.append(helper.make_node("Mul", ["column", "row"], ["product"]))


def image(model):
    for side in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_value = 20_000


def doubled(model):
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"))
    x = model.graph.input[0].name
    for at in range(9):
        model.graph.node.insert(at, helper.make_node("Resize", [x, "", "twice"], [f"double{at}"]))
        x = f"double{at}"


def output_shape(model):
    node = next(node for node in model.graph.node if node.op_type == "ConvTranspose")
    node.attribute.append(helper.make_attribute("output_shape", [4096, 64]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (metadata("kae.more", "v" * 10**6), "metadata have more than 65,536 bytes"),
        (metadata("kae.variant", "other"), "metadata name 'kae.variant' twice"),
        (ladder("Relu", 5000), "more than 4,096 nodes"),
        (ladder("Add", 5000), "more than 4,096 nodes"),
        (constant, "Add computes from weights alone"),
        (grown, "Mul makes more of weights than they are"),
        (image, "3,200,000,000 numbers of one image"),
        (doubled, "Resize makes 51,380,224 numbers of one image"),
        (output_shape, "ConvTranspose has the attribute 'output_shape'"),
    ],
)
def test_work_on_a_promise_is_refused(change, reason):
    model = copy.deepcopy(emitted("conv")["autoencoder"])
    change(model)
    with pytest.raises(ValueError, match=reason):
        screening.screened(model.SerializeToString())
