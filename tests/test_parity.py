"""The gate lets equal graphs through, stops others, and an export is whole or not there."""

import hashlib
import json
import os
import shutil

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper, numpy_helper

from keras_mnist_ae import build, datasets, train
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.errors import ValidationError, WriteError
from keras_mnist_ae.export import folder, parity, reference, weights
from keras_mnist_ae.export.formats import PRECISIONS
from keras_mnist_ae.export.onnx.emit import emit
from keras_mnist_ae.export.runtime import OnnxAutoencoder
from keras_mnist_ae.runs.folder import Run

DATA = datasets.load("digits")
IMAGES = DATA.test.images[:340]  # more than a round of all batch sizes
FILES = {"encoder.onnx", "decoder.onnx", "autoencoder.onnx", "manifest.json"}


def emitted(model, precision="float32"):
    models = emit(
        model.variant,
        weights.read(model),
        {},
        precision,
        to_float(DATA.train.images[:64]).transpose(0, 3, 1, 2),
    )
    return {name: proto.SerializeToString(deterministic=True) for name, proto in models.items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return train(
        "mlp",
        dataset="digits",
        limit=64,
        epochs=1,
        runs_dir=str(tmp_path_factory.mktemp("runs")),
        name="mine",
    )


@pytest.fixture
def copy(run, tmp_path) -> Run:
    shutil.copytree(run.path, tmp_path / "mine")
    return Run(tmp_path / "mine")


QUICK = {("conv-unpool", "float32"), ("mlp", "float32"), ("mlp", "float16"), ("conv-avgpool", "int8")}


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(name, precision, marks=[] if (name, precision) in QUICK else pytest.mark.slow)
        for name in sorted(VARIANTS)
        for precision in PRECISIONS
    ],
)
def test_every_variant_passes(name, precision):
    model = build(name, seed=2)
    verdicts = parity.compare(model, emitted(model, precision), IMAGES, precision)
    assert [(verdict.graph, verdict.passed) for verdict in verdicts] == [
        ("encoder", True),
        ("decoder", True),
        ("autoencoder", True),
    ]
    pixels = IMAGES / 255
    error = np.square(np.asarray(model.predict_on_batch(pixels.astype("float32"))) - pixels).mean()
    assert verdicts[2].keras_mse == pytest.approx(error, rel=1e-6)
    assert verdicts[2].onnx_mse == pytest.approx(error, rel=parity.TOLERATED_RISES.get(precision, 1e-4))


@pytest.mark.parametrize("graph", ["encoder", "decoder", "autoencoder"])
@pytest.mark.parametrize("name", ["conv-unpool", "mlp"])
@pytest.mark.backend
def test_one_changed_weight_is_stopped(name, graph):
    model = build(name)
    files = emitted(model)
    broken = onnx.load_model_from_string(files[graph])
    weight = max(broken.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = numpy_helper.to_array(weight).copy()
    values *= 1.001
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    verdicts = parity.compare(model, {**files, graph: broken.SerializeToString()}, IMAGES[:20])
    assert graph in {verdict.graph for verdict in verdicts if not verdict.passed}


@pytest.mark.backend
@pytest.mark.slow("tensorflow")
def test_wrong_switches_are_no_ties():
    model = build("conv-unpool")
    files = emitted(model)
    broken = onnx.load_model_from_string(files["encoder"])
    place = next(tensor for tensor in broken.graph.initializer if tensor.name == "place/2")
    place.CopyFrom(
        numpy_helper.from_array(np.asarray(np.uint8(3)), "place/2")
    )  # bottom left is taken for bottom right
    verdicts = parity.compare(model, {**files, "encoder": broken.SerializeToString()}, IMAGES[:20])
    assert not verdicts[0].passed
    assert verdicts[0].ties == 20


def test_invalid_graph_is_refused():
    model = build("mlp")
    files = emitted(model)
    broken = onnx.load_model_from_string(files["decoder"])
    broken.graph.node[0].op_type = "Nothing"
    with pytest.raises(ValidationError, match=r"decoder\.onnx is not a valid ONNX model"):
        parity.compare(model, {**files, "decoder": broken.SerializeToString()}, IMAGES[:2])


def test_nan_is_never_equal():
    difference = parity.Difference()
    difference.add(np.array([np.nan, 0.0]), np.zeros(2))
    difference.add(np.ones(2), np.ones(2))
    assert not difference.largest <= 1


def test_export_writes_a_whole_folder_that_runs_and_validates(copy):
    graphs = folder.export(copy, DATA).graphs
    assert set(os.listdir(copy.path / "onnx")) == FILES
    manifest = json.loads(((copy.path / "onnx") / "manifest.json").read_text())
    assert manifest["graphs"] == json.loads(json.dumps(graphs))
    for graph in graphs:
        assert (
            graph["sha256"] == hashlib.sha256(((copy.path / "onnx") / graph["file"]).read_bytes()).hexdigest()
        )
    ours = OnnxAutoencoder(copy.path / "onnx")
    np.testing.assert_allclose(
        ours.reconstruct(IMAGES), copy.model.predict_on_batch((IMAGES / 255).astype("float32")), atol=1e-5
    )
    assert ours.info.metadata["dataset"] == "digits"
    assert [graph["passed"] for graph in folder.validate(copy, DATA).graphs] == [True] * 3


@pytest.mark.backend
def test_second_export_gives_the_same_bytes(copy):
    first = folder.export(copy, DATA).graphs
    second = folder.export(copy, DATA).graphs
    assert [graph["sha256"] for graph in first] == [graph["sha256"] for graph in second]


def test_failed_gate_leaves_the_export_that_was_there(copy, monkeypatch):
    folder.export(copy, DATA, limit=20)
    before = {path.name: path.read_bytes() for path in (copy.path / "onnx").iterdir()}
    monkeypatch.setattr(parity, "TOLERANCE", 0.0)
    monkeypatch.setattr(parity, "NOISE", 0.0)
    with pytest.raises(ValidationError, match="differ from the Keras model"):
        folder.export(copy, DATA, limit=20)
    assert {path.name: path.read_bytes() for path in (copy.path / "onnx").iterdir()} == before
    assert not list(copy.path.glob(".onnx*"))


def test_failed_gate_leaves_nothing_where_nothing_was(copy, monkeypatch):
    monkeypatch.setattr(parity, "TOLERANCE", 0.0)
    monkeypatch.setattr(parity, "NOISE", 0.0)
    result = command(copy, "export", "onnx")
    assert result.exit_code == 6
    assert "encoder.onnx" in result.stderr
    assert not (copy.path / "onnx").exists()


def test_full_disk_leaves_the_export_that_was_there(copy, monkeypatch):
    folder.export(copy, DATA, limit=20)
    before = {path.name: path.read_bytes() for path in (copy.path / "onnx").iterdir()}
    written = []

    def full(path, content):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        with path.open("wb") as file:
            file.write(content)

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(WriteError, match="No space left"):
        folder.export(copy, DATA, limit=20)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in (copy.path / "onnx").iterdir()} == before
    assert not list(copy.path.glob(".onnx*"))


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), None], ids=["full disk", "killed"]
)
def test_failure_between_the_two_renames_loses_nothing(copy, monkeypatch, failure):
    folder.export(copy, DATA, limit=20)
    exported = copy.path / "onnx"
    before = {path.name: path.read_bytes() for path in exported.iterdir()}
    rename = type(exported).rename

    def failing(path, target):
        if path.name == ".onnx.new":
            raise failure or KeyboardInterrupt  # nothing of the swap runs after a kill, nor after this
        return rename(path, target)

    monkeypatch.setattr("pathlib.Path.rename", failing)
    with pytest.raises(WriteError if failure else KeyboardInterrupt):
        folder.export(copy, DATA, limit=20)
    monkeypatch.undo()
    if failure is None:
        assert not exported.exists()
        folder.export(copy, DATA, limit=20)  # finds the old one again, and replaces it
    assert {path.name: path.read_bytes() for path in exported.iterdir()} == before
    assert not list(copy.path.glob(".onnx*"))


def test_what_else_lies_in_the_folder_stays(copy):
    folder.export(copy, DATA, limit=20)
    (copy.path / "onnx" / "notes.txt").write_text("mine")
    (copy.path / "onnx" / "more").mkdir()
    folder.export(copy, DATA, limit=20)
    assert (copy.path / "onnx" / "notes.txt").read_text() == "mine"
    assert set(os.listdir(copy.path / "onnx")) == {*FILES, "notes.txt", "more"}


def test_file_in_the_place_of_the_folder_is_left_alone(copy):
    (copy.path / "onnx").write_text("mine")
    for _ in range(2):
        result = command(copy, "export", "onnx")
        assert result.exit_code == 8
        assert "onnx: Not a directory" in result.stderr
    assert (copy.path / "onnx").read_text() == "mine"


def tampered(change):
    """An export whose encoder was changed and whose manifest was made to agree."""

    def change_run(run):
        path = run.path / "onnx" / "encoder.onnx"
        model = onnx.load(path)
        change(model)
        path.write_bytes(model.SerializeToString())
        manifest = json.loads((run.path / "onnx" / "manifest.json").read_text())
        manifest["graphs"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        (run.path / "onnx" / "manifest.json").write_text(json.dumps(manifest))

    return change_run


def told(key, value):
    def change(run):
        path = run.path / "onnx" / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    return change


def command(run, *arguments):
    options = ["--runs-dir", str(run.path.parent), "--images", "20"]
    return CliRunner().invoke(kae, [*arguments, run.name, *options], catch_exceptions=False)


def test_commands_tell_of_each_graph(copy):
    exported = command(copy, "export", "onnx")
    assert exported.exit_code == 0
    assert [line.split()[0] for line in exported.stdout.splitlines()[1:4]] == [
        "encoder.onnx",
        "decoder.onnx",
        "autoencoder.onnx",
    ]
    assert exported.stdout.count("equal") == 3
    told = json.loads(command(copy, "validate", "--json").stdout)
    assert (told["run"], told["passed"]) == (str(copy.path), True)
    assert {"file", "nodes", "bytes", "sha256", "max_abs_diff", "passed"} <= set(told["graphs"][0])


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda run: None, 2, "there is no export"),
        (lambda run: ((run.path / "onnx") / "decoder.onnx").unlink(), 5, "decoder.onnx cannot be read"),
        (
            lambda run: ((run.path / "onnx") / "decoder.onnx").write_bytes(b"short"),
            5,
            "is not the file that its manifest.json names",
        ),
        (lambda run: ((run.path / "onnx") / "manifest.json").write_text("{"), 5, "is not a manifest of ours"),
        (lambda run: (run.path / "model.keras").write_bytes(b"short"), 5, "model.keras"),
        (lambda run: (run.path / "model.keras").unlink(), 2, "model.keras is gone"),
        (lambda run: (run.path / "metrics.json").unlink(), 2, "was not finished"),
        (told("precision", "int8"), 5, "its precision is float32, but manifest.json says int8"),
        (told("variant", "conv-k15"), 5, "its variant is mlp, but manifest.json says conv-k15"),
        (told("weights_sha256", "0" * 64), 5, "its weights_sha256 is"),
        (
            tampered(
                lambda model: model.graph.node.append(helper.make_node("Identity", ["latent"], ["more"]))
            ),
            5,
            "operator 'Identity'",
        ),
        (
            tampered(lambda model: model.opset_import.append(helper.make_opsetid("", 99))),
            5,
            "encoder.onnx is damaged",
        ),
        (tampered(lambda model: model.ClearField("metadata_props")), 5, "its metadata lack"),
        (
            tampered(
                lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 3)
            ),
            5,
            "encoder.onnx is damaged",
        ),
    ],
    ids=[
        *(
            "never exported",
            "file gone",
            "file changed",
            "manifest broken",
            "model broken",
            "model gone",
            "not finished",
        ),
        *(
            "other precision",
            "other variant",
            "other weights",
            "operator",
            "opset",
            "metadata",
            "fixed batch",
        ),
    ],
)
def test_validate_of_what_is_not_right(copy, change, code, message, request):
    if "never" not in request.node.name:
        folder.export(copy, DATA, limit=20)
    change(copy)
    result = command(copy, "validate")
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 6


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_other_precisions_stand_beside_float32_and_are_judged_by_the_error(copy, precision):
    folder.export(copy, DATA, limit=20)
    exported = json.loads(command(copy, "export", "onnx", "--precision", precision, "--json").stdout)
    assert exported["folder"] == str(copy.path / f"onnx-{precision}")
    assert [graph["tolerance"] for graph in exported["graphs"]] == [parity.TOLERATED_RISES[precision]] * 3
    assert set(os.listdir(exported["folder"])) == FILES
    assert set(os.listdir(copy.path / "onnx")) == FILES
    ours = OnnxAutoencoder(exported["folder"])
    assert ours.info.metadata["precision"] == precision
    rise = (
        np.square(ours.reconstruct(IMAGES[:20]) - IMAGES[:20] / 255).mean()
        / exported["graphs"][2]["keras_mse"]
        - 1
    )
    assert rise == pytest.approx(exported["graphs"][2]["mse_rise"], abs=1e-4)
    for arguments in (["--precision", precision, copy.name], [exported["folder"]]):
        options = ["--runs-dir", str(copy.path.parent), "--images", "20", "--json"]
        told = json.loads(CliRunner().invoke(kae, ["validate", *arguments, *options]).stdout)
        assert (told["run"], told["folder"], told["passed"]) == (str(copy.path), exported["folder"], True)


def test_rise_beyond_the_tolerance_is_stopped(copy, monkeypatch):
    monkeypatch.setitem(parity.TOLERATED_RISES, "int8", -0.5)
    result = command(copy, "export", "onnx", "--precision", "int8")
    assert result.exit_code == 6
    assert "autoencoder.onnx" in result.stderr
    assert not (copy.path / "onnx-int8").exists()


def test_export_away_from_its_run_cannot_be_validated(copy, tmp_path):
    folder.export(copy, DATA, limit=20)
    (copy.path / "onnx").rename(tmp_path / "onnx")
    result = CliRunner().invoke(kae, ["validate", str(tmp_path / "onnx")])
    assert result.exit_code == 2
    assert "outside its run" in result.stderr


@pytest.mark.parametrize("name", sorted(VARIANTS))
@pytest.mark.backend
def test_float64_reference_is_the_keras_model(name):
    """The table computed by numpy, which sets the tolerance of the gate, against Keras."""
    model = build(name, seed=2)
    arrays, images = weights.read(model), to_float(IMAGES[:3])
    codes = model.encoder.predict_on_batch(images)
    codes = [np.asarray(code) for code in (codes if isinstance(codes, list) else [codes])]
    latent, saved = reference.encode(model.variant, arrays, images)
    np.testing.assert_allclose(latent, codes[0], atol=2e-5 * max(1, np.abs(codes[0]).max()))
    switches = {name: saved[name] for name in model.variant.switches}
    for ours, theirs in zip(switches.values(), codes[1:], strict=False):
        assert (ours != theirs).mean() < 1e-3, "but for ties"
    pixels = reference.decode(model.variant, arrays, codes[0], dict(zip(switches, codes[1:], strict=False)))
    taken = codes[: 1 + len(switches)]
    theirs = model.decoder.predict_on_batch(taken if len(taken) > 1 else taken[0])
    np.testing.assert_allclose(pixels, np.asarray(theirs), atol=2e-5)
