"""The runtime: every form of input, agreement with Keras, an environment without Keras, files not
to be trusted.
"""

import os
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import assert_codes_equal, assert_images_equal, emitted, trained
from onnx import TensorProto, helper, numpy_helper
from packaging.requirements import Requirement

from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.errors import CorruptFileError, DataError, UsageError
from keras_mnist_ae.export.runtime import OnnxAutoencoder

ALL = sorted(VARIANTS)
SHAPE = (28, 28, 1)


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Folder of a variant's three graphs."""

    def folder(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            for graph, model in emitted(name).items():
                onnx.save(model, made[name] / f"{graph}.onnx")
        return made[name]

    made = {}
    return folder


@pytest.fixture
def autoencoder(exported):
    return OnnxAutoencoder(exported("conv-avgpool"))


# --- results


@pytest.mark.parametrize("name", ALL)
def test_codes_and_images_are_those_of_keras(name, exported, digits):
    model, ours, images = trained(name), OnnxAutoencoder(exported(name), chunk=32), digits
    codes, expected = ours.encode(images), model.encoder.predict_on_batch(images)
    expected = expected[0] if VARIANTS[name].variational else expected
    if VARIANTS[name].switches:
        assert isinstance(codes, list)
        assert [array.dtype for array in codes] == [np.float32, np.uint8, np.uint8]
        assert [array.shape for array in codes[1:]] == [(100, 14, 14, 16), (100, 7, 7, 32)]
        for array, theirs in zip(codes[1:], expected[1:], strict=True):
            assert (array == theirs).mean() > 0.9999
    else:
        codes, expected = [codes], [expected]
    assert codes[0].dtype == np.float32
    assert_codes_equal(codes[0], np.asarray(expected[0]))
    back = ours.decode(codes if len(codes) > 1 else codes[0])
    assert back.dtype == np.float32
    assert_images_equal(
        back, np.asarray(model.decoder.predict_on_batch(codes if len(codes) > 1 else codes[0]))
    )
    assert_images_equal(ours.reconstruct(images), back)


def test_large_tensors_are_computed_for_few_images_at_once(exported, digits, monkeypatch):
    counts = []

    class Counted:
        def __init__(self, session):
            self.session = session

        def run(self, names, feed):
            counts.append(len(feed["image"]))
            return self.session.run(names, feed)

    ours = OnnxAutoencoder(exported("conv-avgpool"))
    expected = ours.encode(digits[:50])
    graph = ours._graphs["encoder"]
    assert graph.largest >= 28 * 28
    ours._graphs["encoder"] = graph._replace(session=Counted(graph.session))
    monkeypatch.setattr("keras_mnist_ae.export.runtime.AT_ONCE", 7 * graph.largest)
    assert_codes_equal(ours.encode(digits[:50]), expected)
    assert max(counts) == 7


@pytest.mark.parametrize("name", ALL)
def test_chunks_and_empty_batches(name, exported, digits):
    whole = OnnxAutoencoder(exported(name))
    parts = OnnxAutoencoder(exported(name), chunk=3, threads=1)
    images = digits[:10]
    assert_images_equal(parts.reconstruct(images), whole.reconstruct(images))
    assert_images_equal(parts.decode(parts.encode(images)), whole.reconstruct(images))
    nothing = parts.encode(images[:0])
    assert (nothing[0] if isinstance(nothing, list) else nothing).shape == (0, VARIANTS[name].latent)
    assert parts.decode(nothing).shape == parts.reconstruct(images[:0]).shape == (0, *SHAPE)


def test_every_form_of_an_image(autoencoder, digits):
    expected = autoencoder.reconstruct(digits[:3])
    pixels = np.rint(digits[:3] * 255).astype(np.uint8)
    for form in (
        digits[:3, ..., 0],
        digits[:3].astype(np.float64),
        pixels,
        pixels[..., 0],
        digits[:3, ..., 0].tolist(),
    ):
        np.testing.assert_array_equal(autoencoder.reconstruct(form), expected)
    for form in (digits[0], digits[0, ..., 0], pixels[0], pixels[0, ..., 0]):
        single = autoencoder.reconstruct(form)
        assert single.shape == (1, *SHAPE)
        assert_images_equal(single, expected[:1])
        assert autoencoder.encode(form).shape == (1, 64)
    strided = np.zeros((3, 56, 28, 2), np.float32)
    strided[:, ::2, :, 1:] = digits[:3]
    np.testing.assert_array_equal(autoencoder.reconstruct(strided[:, ::2, :, 1:]), expected)
    assert_images_equal(autoencoder.decode(autoencoder.encode(digits[0])[0]), expected[:1])


def test_colour_images_are_channels_last(tmp_path):
    """A graph that hands its input on, but for the first channel: what goes in last must come out
    last.
    """
    shape = ["batch", 3, 2, 4]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "reconstruction")
    ]
    factor = numpy_helper.from_array(np.array([0.5, 1, 1], np.float32).reshape(3, 1, 1), "factor")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["image", "factor"], ["reconstruction"])],
        "g",
        values[:1],
        values[1:],
        [factor],
    )
    save(model_of(graph), tmp_path / "autoencoder.onnx")
    images = np.random.default_rng(0).random((5, 2, 4, 3), np.float32)
    ours = OnnxAutoencoder(tmp_path)
    np.testing.assert_array_equal(ours.reconstruct(images), images * np.array([0.5, 1, 1], np.float32))
    np.testing.assert_array_equal(ours.reconstruct(images[0])[0], ours.reconstruct(images)[0])
    with pytest.raises(DataError, match="expected"):
        ours.reconstruct(images[..., 0])


@pytest.mark.parametrize("name", ALL)
def test_info(name, exported):
    info, variant = OnnxAutoencoder(exported(name)).info, VARIANTS[name]
    assert (info.variant, info.latent_size, info.image) == (name, variant.latent, SHAPE)
    assert info.switches == {
        f"switch_{switch}": (*shape[1:], shape[0]) for switch, shape in variant.switches.items()
    }
    assert info.metadata["dataset"] == "digits"
    assert "CPUExecutionProvider" in info.providers


def test_only_the_graph_in_use_is_read(exported, tmp_path, digits):
    (tmp_path / "autoencoder.onnx").write_bytes((exported("mlp") / "autoencoder.onnx").read_bytes())
    OnnxAutoencoder(tmp_path).reconstruct(digits)
    with pytest.raises(UsageError, match=r"no encoder\.onnx"):
        OnnxAutoencoder(tmp_path).encode(digits)


WITHOUT_KERAS = """
import importlib.util, sys
for name in ("keras", "torch", "tensorflow", "jax", "onnx", "sklearn", "matplotlib", "tensorflow_datasets"):
    assert importlib.util.find_spec(name) is None, name
import numpy as np
from keras_mnist_ae.export.runtime import OnnxAutoencoder
ours = OnnxAutoencoder(sys.argv[1])
images = np.load(sys.argv[2])
np.savez(sys.argv[3], images=ours.reconstruct(images), again=ours.decode(ours.encode(images)), variant=ours.info.variant)
"""


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """A virtual environment's Python: numpy, onnxruntime, click, what these require, and this
    package.
    """
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "keras_mnist_ae").symlink_to(Path(__file__).parents[1] / "keras_mnist_ae")
    wanted, seen = ["numpy", "onnxruntime", "click"], set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            package = distribution(name)
            requirements = [Requirement(text) for text in package.requires or []]
            wanted += [
                each.name
                for each in requirements
                if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
            for top in {
                path.parts[0] for path in package.files if path.parts[0] not in {"..", "__pycache__"}
            }:
                if not (site / top).exists():
                    (site / top).symlink_to(package.locate_file(top))
    return folder / "bin" / "python"


def run_bare(python, *arguments):
    command = [python, "-I", "-W", "error", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


@pytest.mark.parametrize("name", ALL)
def test_works_where_neither_keras_nor_onnx_is_installed(name, exported, bare_python, digits, tmp_path):
    np.save(tmp_path / "images.npy", digits[:5])
    done = run_bare(
        bare_python, "-c", WITHOUT_KERAS, exported(name), tmp_path / "images.npy", tmp_path / "results.npz"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    results = np.load(tmp_path / "results.npz")
    assert results["variant"] == name
    expected = OnnxAutoencoder(exported(name)).reconstruct(digits[:5])
    assert_images_equal(results["images"], expected)
    assert_images_equal(results["again"], expected)


def test_infer_works_there_too(exported, bare_python, digits, tmp_path):
    np.save(tmp_path / "images.npy", digits[:5])
    kae = "import sys; from keras_mnist_ae.__main__ import main; main()"
    arguments = ["infer", "encode", exported("mlp"), tmp_path / "images.npy", "-o", tmp_path / "codes.npy"]
    done = run_bare(bare_python, "-c", kae, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert_codes_equal(np.load(tmp_path / "codes.npy"), OnnxAutoencoder(exported("mlp")).encode(digits[:5]))


# --- images and codes that do not fit


IMAGE = np.zeros((2, *SHAPE), np.float32)


def holding(value, dtype=np.float32):
    images = np.zeros((300, *SHAPE), dtype)
    images[270, 3, 4] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((2, 27, 28, 1), np.float32),
            r"shape \(2, 27, 28, 1\); expected \(n, 28, 28, 1\) or \(28, 28, 1\), \(n, 28, 28\)",
        ),
        (np.zeros((2, 1, 28, 28), np.float32), "shape"),
        (np.zeros((2, 28, 28, 3), np.float32), "shape"),
        (np.zeros((28,), np.float32), "shape"),
        (np.float32(0), "shape"),
        ([], "shape"),
        ([[1, 2], [3]], "no array"),
        (None, "shape"),
        (holding(np.nan), r"number 270 holds nan; expected uint8 in 0\.\.255 or floating point in \[0, 1\]"),
        (holding(np.inf), "number 270 holds inf"),
        (holding(255), "number 270 holds 255.0;"),
        (holding(np.nextafter(np.float32(1), np.float32(2))), "number 270 holds 1.0000001;"),
        (holding(-0.01), "number 270 holds -0.01"),
        (holding(1e300, np.float64), "number 270 holds"),
        (np.zeros((2, *SHAPE), np.int64), "type int64; expected uint8"),
        (np.zeros((2, *SHAPE), bool), "type bool; expected uint8"),
        (np.zeros((2, *SHAPE), "complex64"), "type complex64"),
        (np.zeros((2, *SHAPE), object), "type object"),
        (np.full((2, *SHAPE), "a"), "type <U1"),
    ],
)
def test_images_that_do_not_fit_are_refused(autoencoder, images, message):
    for method in (autoencoder.encode, autoencoder.reconstruct):
        with pytest.raises(DataError, match=message):
            method(images)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 63)), r"latent has shape \(2, 63\); expected \(n, 64\) or \(64,\)"),
        (np.full((2, 64), np.nan), "latent number 0 holds nan; expected finite numbers"),
        (np.full((2, 64), 1e39), r"holds 1e\+39"),
        (np.full((2, 64), np.inf, np.float16), "holds inf"),
        (np.zeros((2, 64), bool), "type bool"),
        ([np.zeros((2, 64)), np.zeros((2, 14, 14, 16))], "no array"),
    ],
)
def test_codes_that_do_not_fit_are_refused(autoencoder, codes, message):
    with pytest.raises(DataError, match=message):
        autoencoder.decode(codes)


def test_codes_may_be_of_any_number_type(autoencoder):
    expected = autoencoder.decode(np.ones((2, 64), np.float32))
    for dtype in (np.float16, np.float64, np.int64, np.uint8):
        np.testing.assert_array_equal(autoencoder.decode(np.ones((2, 64), dtype)), expected)


def test_switches_that_do_not_fit_are_refused(exported, digits):
    ours = OnnxAutoencoder(exported("conv-unpool"))
    code, switch_a, switch_b = ours.encode(digits[:3])
    np.testing.assert_array_equal(
        ours.decode((code, switch_a.astype(np.int64), switch_b)), ours.decode([code, switch_a, switch_b])
    )
    np.testing.assert_array_equal(
        ours.decode([code[0], switch_a[0], switch_b[0]]), ours.decode([code[:1], switch_a[:1], switch_b[:1]])
    )
    with pytest.raises(DataError, match=r"list of 3 arrays \(latent, switch_a, switch_b\)"):
        ours.decode(code)
    with pytest.raises(DataError, match="list of 3 arrays"):
        ours.decode([code, switch_a])
    with pytest.raises(DataError, match="equally long, but are 3, 2, 3"):
        ours.decode([code, switch_a[:2], switch_b])
    with pytest.raises(DataError, match=r"switch_a has shape \(3, 7, 7, 32\); expected \(n, 14, 14, 16\)"):
        ours.decode([code, switch_b, switch_a])
    with pytest.raises(DataError, match=r"switch_b number 0 holds 259; expected integers in 0\.\.3"):
        ours.decode([code, switch_a, np.full(switch_b.shape, 259)])
    with pytest.raises(DataError, match="type float32"):
        ours.decode([code, switch_a.astype(np.float32), switch_b])


def test_settings_that_make_no_sense_are_refused(tmp_path):
    for settings in ({"threads": -1}, {"chunk": 0}):
        with pytest.raises(UsageError, match="threads is"):
            OnnxAutoencoder(tmp_path, **settings)


# --- files that are not to be trusted


def model_of(graph, **properties):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = {
        "variant": "x",
        "version": "0",
        "pixel_range": "[0, 1]",
        "latent_size": "1",
        "weights_sha256": "0",
    } | properties
    helper.set_model_props(
        model, {f"kae.{key}": value for key, value in metadata.items() if value is not None}
    )
    return model


def save(model, path):
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())


def changed(change, name="conv-unpool"):
    model = onnx.ModelProto()
    model.CopyFrom(emitted(name)["autoencoder"])
    change(model)
    return model


def keep_weights_elsewhere(model):
    array = model.graph.initializer[0]
    array.ClearField("raw_data")
    array.data_location = TensorProto.EXTERNAL
    array.external_data.add(key="location", value="elsewhere.bin")


def name_a_place_for_weights(model):
    model.graph.initializer[0].external_data.add(key="location", value="elsewhere.bin")


def say_that_weights_are_elsewhere(model):
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def use_another_operator(model):
    model.graph.node[1].op_type = "Elu"


def use_another_domain(model):
    model.graph.node[1].domain = "com.microsoft"


def add_a_function(model):
    model.functions.append(
        helper.make_function("local", "f", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], [])
    )


def add_sparse_weights(model):
    values, indices = (
        helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [0]),
    )
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2]))


def carry_a_tensor(model):
    model.graph.node[1].attribute.append(helper.make_attribute("value", model.graph.initializer[0]))


def carry_a_graph(model):
    model.graph.node[1].attribute.append(helper.make_attribute("body", helper.make_graph([], "g", [], [])))


def lose_the_metadata(model):
    model.ClearField("metadata_props")


def lose_one_entry(model):
    del model.metadata_props[-1]


def fix_the_batch(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def rename_the_input(model):
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        node.input[:] = ["picture" if name == "image" else name for name in node.input]


def break_the_graph(model):
    model.graph.node[0].input[0] = "nowhere"


def ask_for_a_newer_opset(model):
    model.opset_import[0].version = 999


def ask_for_an_old_ir(model):
    model.ir_version = 3


def pad_widely(model):
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    next(attribute for attribute in node.attribute if attribute.name == "pads").ints[:] = [14_000] * 4


def enlarge(model):
    scales = next(array for array in model.graph.initializer if array.name == "twice")
    scales.CopyFrom(onnx.numpy_helper.from_array(np.array([1, 1, 20_000, 20_000], np.float32), "twice"))


def hold_a_million_fields(model):
    for _ in range(100_001):
        model.graph.value_info.add(name="a")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (keep_weights_elsewhere, "weights in another file"),
        (name_a_place_for_weights, "weights in another file"),
        (say_that_weights_are_elsewhere, "weights in another file"),
        (use_another_operator, "operator 'Elu'"),
        (use_another_domain, "operator 'com.microsoft.Relu'"),
        (add_a_function, "more than a graph"),
        (add_sparse_weights, "sparse"),
        (carry_a_tensor, "Relu carries tensors or graphs"),
        (carry_a_graph, "Relu carries tensors or graphs"),
        (lose_the_metadata, "metadata lack kae.latent_size, kae.pixel_range"),
        (lose_one_entry, "metadata lack kae.weights_sha256"),
        (fix_the_batch, "image is a tensor"),
        (rename_the_input, "turns picture into reconstruction"),
        (break_the_graph, "nowhere"),
        (ask_for_a_newer_opset, "it has opset 999, not one of 13 to 23"),
        (ask_for_an_old_ir, "it has IR version 3, not one of 7 to 11"),
        (pad_widely, "kernel, stride or padding of more than 4096"),
        (enlarge, "Resize makes its input other than twice as large"),
        (hold_a_million_fields, "more than 100,000 fields"),
    ],
)
def test_changed_files_are_refused(change, reason, tmp_path, capfd):
    save(changed(change), tmp_path / "autoencoder.onnx")
    with pytest.raises(CorruptFileError, match=reason) as refused:
        OnnxAutoencoder(tmp_path).reconstruct(IMAGE)
    message = str(refused.value)
    assert "autoencoder.onnx" in message
    assert len(message.splitlines()) <= 6
    assert capfd.readouterr() == ("", ""), "onnxruntime reported it on its own"


def test_external_weights_never_reach_onnxruntime(tmp_path, monkeypatch):
    """It would look for them in the current folder."""
    model = changed(keep_weights_elsewhere)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere.bin").write_bytes(bytes(4 * int(np.prod(model.graph.initializer[0].dims))))
    save(model, tmp_path / "autoencoder.onnx")
    with pytest.raises(CorruptFileError, match="another file"):
        OnnxAutoencoder(tmp_path).reconstruct(IMAGE)


def test_a_file_cut_at_any_place_is_refused(exported, tmp_path):
    whole = (exported("conv-avgpool") / "autoencoder.onnx").read_bytes()
    path = tmp_path / "autoencoder.onnx"
    for size in (0, 1, 2, 10, 100, 1000, len(whole) // 2, *range(len(whole) - 400, len(whole), 3)):
        save(whole[:size], path)
        with pytest.raises(
            CorruptFileError,
            match=r"autoencoder\.onnx is damaged .*\nit(s metadata lack| breaks off| has \w.* none)",
        ):
            OnnxAutoencoder(tmp_path).reconstruct(IMAGE)


@pytest.mark.parametrize(
    "content", [b"\x00" * 64, b"not a model\n", b"\x89PNG\r\n\x1a\n" + bytes(50), b"\xff" * 64, b"\x3a\x05ab"]
)
def test_files_of_another_kind_are_refused(content, tmp_path):
    save(content, tmp_path / "autoencoder.onnx")
    with pytest.raises(CorruptFileError, match="damaged or not exported by this package"):
        OnnxAutoencoder(tmp_path).reconstruct(IMAGE)


def test_graphs_of_two_models_are_not_mixed(exported, tmp_path, digits):
    for graph, name in (("encoder", "conv-avgpool"), ("decoder", "conv-k15")):
        (tmp_path / f"{graph}.onnx").write_bytes((exported(name) / f"{graph}.onnx").read_bytes())
    ours = OnnxAutoencoder(tmp_path)
    codes = ours.encode(digits)
    with pytest.raises(CorruptFileError, match=r"decoder\.onnx and encoder\.onnx .* hold different weights"):
        ours.decode(codes)


def test_a_decoder_under_another_name_is_refused(exported, tmp_path, digits):
    (tmp_path / "encoder.onnx").write_bytes((exported("mlp") / "decoder.onnx").read_bytes())
    with pytest.raises(CorruptFileError, match="turns latent into reconstruction"):
        OnnxAutoencoder(tmp_path).encode(digits)


@pytest.mark.parametrize("missing", ["folder", "file"])
def test_missing_files_are_named(missing, tmp_path, digits):
    folder = tmp_path / "runs" if missing == "folder" else tmp_path
    with pytest.raises(UsageError, match=r"no encoder\.onnx in .*\n.*kae export onnx"):
        OnnxAutoencoder(folder).encode(digits)


def test_onnxruntime_is_not_heard_where_nothing_can_be_kept(exported):
    code = "from keras_mnist_ae.export.runtime import OnnxAutoencoder as A; import sys; A(sys.argv[1]).load()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported("mlp"))],
        env={**environment, "HOME": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
