"""What the benchmarks compare is the same function, and their tables hold what they say. No times."""

import json
from collections import Counter

import keras
import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from graphs import ALL, first, last, trained
from torch_modules import MODULES

from keras_mnist_ae import datasets
from keras_mnist_ae.architecture import Recipe
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.bench import timing, train, worker
from keras_mnist_ae.bench.plain import Plain
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.errors import DataError, KaeError
from keras_mnist_ae.export import weights

needs_torch = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="Keras exports to ONNX with torch alone"
)


@pytest.mark.parametrize("name", ALL)
def test_plain_module_is_the_keras_model(name, digits):
    model, plain = trained(name), Plain(VARIANTS[name]).eval()
    plain.load(weights.read(model))
    with torch.no_grad():
        ours = last(plain(torch.from_numpy(first(digits[:16]))).numpy())
    expected = np.asarray(model.predict_on_batch(digits[:16]))
    same = np.isclose(ours, expected, rtol=0, atol=1e-5).all(axis=(1, 2, 3))
    assert same.mean() > (0.8 if VARIANTS[name].switches else 0.999), (
        "switches differ where two pixels are equal up to rounding"
    )


@pytest.mark.filterwarnings("ignore")  # of PyTorch's exporter
@pytest.mark.parametrize("name", [name for name in ALL if not VARIANTS[name].switches])
def test_plain_module_exports_what_a_hand_written_one_does(name, tmp_path):
    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = MODULES[name]()

        def forward(self, image):
            return self.inner(image)[1]

    counts = []
    for module in (Plain(VARIANTS[name]), Whole()):
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, 1, 28, 28),),
            tmp_path / "model.onnx",
            dynamo=False,
            opset_version=17,
        )
        counts.append(Counter(node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node))
    heavy = {"Conv", "ConvTranspose", "Gemm", "Relu", "GlobalAveragePool"}
    assert {op: n for op, n in counts[0].items() if op in heavy} == {
        op: n for op, n in counts[1].items() if op in heavy
    }
    assert counts[0].total() <= counts[1].total()


def test_ratio_is_of_rounds_not_of_medians():
    ours, theirs = np.array([1.0, 10.0, 3.0]), np.array([2.0, 20.0, 6.0])
    assert timing.ratio(ours, theirs) == timing.Ratio(0.5, 0.5, 0.5)
    assert timing.ratio(np.array([1.0, 2.0, 4.0]), np.ones(3)) == timing.Ratio(2.0, 1.5, 3.0)


def test_every_call_has_its_turn_in_every_round(monkeypatch):
    turns = []
    monkeypatch.setattr(timing, "SHORTEST", 0.0)
    times = timing.alternate({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, 4)
    assert "".join(turns) == "aabb" + "ab" * 4
    assert {name: len(taken) for name, taken in times.items()} == {"a": 4, "b": 4}


@needs_torch
def test_infer_compares_equal_functions(monkeypatch):
    monkeypatch.setattr("keras_mnist_ae.bench.infer.ROUNDS", 2)
    done = CliRunner().invoke(kae, ["bench", "infer", "mlp", "--json"], catch_exceptions=False)
    results = json.loads(done.stdout)["results"]
    forms = ["float32", "float16", "int8", "Keras' export", "PyTorch's export"]
    assert [(result["batch"], result["graph"]) for result in results] == [
        (batch, form) for batch in (1, 256) for form in forms
    ]
    for result in results:
        assert result["max_abs_diff"] < {"float16": 1e-3, "int8": 0.05}.get(result["graph"], 1e-5)
        assert result["microseconds"] > 0
        if result["graph"] == "float32":
            assert result["to_float32"]["median"] == 1
        if result["graph"] == "Keras' export":
            assert result["to_keras"]["median"] == 1


def test_infer_of_an_unknown_variant():
    done = CliRunner().invoke(kae, ["bench", "infer", "conv-k14"])
    assert done.exit_code == 2
    assert "did you mean 'conv-k1" in done.stderr


@needs_torch
def test_trainers_learn_alike():
    """From the same weights; the order of the images is not the same, and that of the loops is
    PyTorch's to draw.
    """
    images = datasets.load("digits").train.images
    recipe = Recipe(3, 32, 1e-3)
    made = {
        name: prepare(VARIANTS["mlp"], images, recipe)
        for name, prepare in worker.TRAINERS.items()
        if name != worker.COMPILED or train._compiles()
    }
    losses = {name: [epoch() for _ in range(3)] for name, (epoch, _) in made.items()}
    assert list(losses)[:4] == ["kae", "stock Keras", "PyTorch loop", "PyTorch loop, tuned"]
    for found in losses.values():
        np.testing.assert_allclose(found, losses["PyTorch loop"], rtol=0.2)
    assert losses["kae"][2] < 0.6 * losses["kae"][0]
    errors = {name: measure(images[:200]) for name, (_, measure) in made.items()}
    np.testing.assert_allclose(list(errors.values()), errors["PyTorch loop"], rtol=0.2)


@needs_torch
@pytest.mark.slow
def test_train_tells_of_every_trainer(monkeypatch, installed_backends):
    """Each in a process of its own; the first and the last backend, to be done sooner."""
    installed_backends = installed_backends[::2]
    monkeypatch.setattr("keras_mnist_ae.bench.train.ROUNDS", 1)
    monkeypatch.setattr("keras_mnist_ae.bench.train.installed", lambda: installed_backends)
    results = json.loads(
        CliRunner().invoke(kae, ["bench", "train", "mlp", "--json"], catch_exceptions=False).stdout
    )["results"]
    ours = [(trainer, backend) for backend in installed_backends for trainer in ("kae", "stock Keras")]
    assert [(result["trainer"], result["backend"]) for result in results] == [
        *ours,
        ("PyTorch loop", "torch"),
        ("PyTorch loop, tuned", "torch"),
    ]
    assert results[-2]["to_loop"]["median"] == 1
    assert all(result["images_per_second"] > 0 and result["peak_bytes"] > 2**26 for result in results)
    assert [result["to_stock"] is None for result in results] == [
        result["trainer"] != "kae" for result in results
    ]


def test_a_worker_that_dies_is_told(monkeypatch):
    with (
        train.Worker("kae", "no-such-backend", "mlp", "reference", "digits") as dead,
        pytest.raises(KaeError, match="has died"),
    ):
        dead.ask("epoch")


def test_startup_needs_no_data(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_mnist_ae.bench.startup.ROUNDS", 1)
    monkeypatch.setenv("KAE_DATA_DIR", str(tmp_path))
    done = CliRunner().invoke(kae, ["bench", "startup", "--json"], catch_exceptions=False)
    results = json.loads(done.stdout)["results"]
    assert [result["what"] for result in results] == [
        "python -c 'import click'",
        "kae --help",
        "import keras_mnist_ae",
    ]


def test_startup_misses_data_in_a_folder_that_was_named(tmp_path):
    done = CliRunner().invoke(kae, ["bench", "startup", "--data-dir", str(tmp_path)])
    assert done.exit_code == DataError.exit_code
    assert str(tmp_path / "mnist") in done.stderr
