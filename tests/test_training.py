"""Training: against a plain PyTorch loop, repeatable, and what it leaves behind."""

import csv
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import torch
from support import quick_elsewhere
from torch_modules import with_weights_of

from keras_mnist_ae import Run, build, datasets, train
from keras_mnist_ae.architecture.layers import BATCH_NORM_MOMENTUM
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.errors import CorruptFileError, DataError, UsageError, WriteError
from keras_mnist_ae.runs.runs_dir import every, find
from keras_mnist_ae.training import fit, statistics

pytestmark = pytest.mark.backend


BATCH = 32


def digits_run(tmp_path, variant="conv-avgpool", **settings):
    return train(
        variant,
        **{
            "dataset": "digits",
            "limit": 5 * BATCH,
            "epochs": 2,
            "runs_dir": str(tmp_path / "runs"),
            **settings,
        },
    )


@pytest.mark.parametrize(
    "name",
    quick_elsewhere(
        sorted(name for name in VARIANTS if not VARIANTS[name].variational),
        *("conv-unpool", "conv-k16", "mlp"),
    ),
)
def test_losses_are_those_of_a_plain_pytorch_loop(name, tmp_path):
    """From the same weights, over the same batches: ten steps of Adam on the mean squared error,
    whatever the backend.
    """
    rate, seed = 1e-3, 4
    run = digits_run(
        tmp_path, name, learning_rate=rate, seed=seed, batch_size=BATCH, beta_2=0.999, warm_up=0.0
    )

    module = with_weights_of(build(name, seed)).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    data = datasets.load("digits")
    images = torch.from_numpy(data.train.images[: 5 * BATCH].transpose(0, 3, 1, 2) / np.float32(255))
    losses, step = [], 0
    for epoch in range(2):
        order = np.random.default_rng((seed, epoch)).permutation(len(images))
        of_batches = []
        for batch in images[order].split(BATCH):
            step += 1
            optimizer.param_groups[0]["eps"] = (
                3.162e-10 / (1 - 0.999**step) ** 0.5
            )  # Keras' epsilon is the paper's "epsilon hat"
            loss = torch.nn.functional.mse_loss(module(batch)[1], batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            of_batches.append(loss.item())
        losses.append(np.mean(of_batches))
    np.testing.assert_allclose(run.history["loss"], losses, rtol=5e-4)


@pytest.mark.parametrize("name", quick_elsewhere(["conv-avgpool", "mlp"], "mlp"))
def test_same_seed_gives_the_same_weights_another_seed_others(name, tmp_path):
    first, again, other = (digits_run(tmp_path, name, seed=seed).model.get_weights() for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Run:
    return digits_run(tmp_path_factory.mktemp("finished"), name="mine", learning_rate=2e-3)


@pytest.mark.slow("tensorflow", "jax")
def test_run_folder_reads_back(finished):
    again = find(str(finished.path))
    assert again.config == finished.config.__class__(
        **{**vars(finished.config), "runs_dir": "runs", "name": None}
    )
    assert again.history == finished.history
    assert again.metrics == finished.metrics
    images = to_float(datasets.load("digits").test.images)
    np.testing.assert_array_equal(
        again.model.predict_on_batch(images), finished.model.predict_on_batch(images)
    )
    with (finished.path / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert (finished.path.parent / "latest").read_text() == "mine\n"
    assert find(None, finished.path.parent).path == finished.path


def test_metrics_are_those_of_the_saved_model_on_whole_sets(finished):
    model = keras.saving.load_model(finished.path / "model.keras")
    data = datasets.load("digits")
    for images, metric in ((data.train.images[: 5 * BATCH], "train_mse"), (data.test.images, "test_mse")):
        pixels = images / 255
        error = np.square(model.predict(pixels, verbose=0).astype(float) - pixels).mean()
        assert finished.metrics[metric] == pytest.approx(error, rel=1e-5)
    assert finished.history["val_loss"][-1] == pytest.approx(finished.metrics["test_mse"], rel=1e-4)


@pytest.mark.slow("tensorflow", "jax")
def test_environment_tells_what_made_the_run(finished):
    backend = keras.backend.backend()
    environment = json.loads((finished.path / "environment.json").read_text())
    assert environment["keras"] == keras.__version__
    assert environment["backend"] == backend
    assert environment[backend].split(".")[0].isdigit()
    assert environment["dataset_sha256"] == datasets.load("digits").sha256


@pytest.mark.slow("tensorflow", "jax")
def test_figure_shows_ten_pairs_before_and_after(finished):
    from matplotlib.image import imread

    picture = imread(finished.path / "figures" / "reconstructions.png")
    assert picture.shape[1] > 1000
    original, before, after = np.array_split(picture[:, picture.shape[1] // 6 :, 0], 3)
    assert original.std() > 0.2
    assert before.std() > 0.1, "white frame around dark images"
    assert np.abs(after - before[: len(after)]).mean() > 0.01, "training changed the pictures"


@pytest.mark.slow("tensorflow", "jax")
def test_best_run_comes_first_and_unfinished_ones_last(tmp_path):
    runs_dir = tmp_path / "runs"
    for name, epochs in (("short", 1), ("long", 6)):
        digits_run(tmp_path, name=name, epochs=epochs)
    (runs_dir / "killed").mkdir()
    (runs_dir / "killed" / "config.toml").write_bytes((runs_dir / "short" / "config.toml").read_bytes())
    found = every(runs_dir)
    assert [run.name for run in found] == ["long", "short", "killed"]
    with pytest.raises(UsageError, match="not finished"):
        found[2].metrics  # noqa: B018


@pytest.mark.slow("tensorflow", "jax")
def test_run_of_an_existing_name_is_refused(tmp_path):
    digits_run(tmp_path, name="twice", epochs=1)
    with pytest.raises(UsageError, match="a run named 'twice' exists"):
        digits_run(tmp_path, name="twice", epochs=1)


@pytest.mark.slow("tensorflow", "jax")
def test_batch_above_the_data_is_refused(tmp_path):
    with pytest.raises(UsageError, match="batch_size is 161, more than the 160 training images"):
        digits_run(tmp_path, batch_size=161)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow("tensorflow", "jax")
def test_images_of_another_size_are_refused(tmp_path, monkeypatch):
    data = datasets.load("digits")
    small = datasets.Split(data.train.images[:, :20, :20], data.train.labels)
    monkeypatch.setattr(
        "keras_mnist_ae.runs.reopen.load",
        lambda *_, **options: datasets.Dataset("small", small, small, (), ""),
    )
    with pytest.raises(DataError, match="are 1x20x20 .* but conv-avgpool takes 1x28x28"):
        digits_run(tmp_path)


@pytest.mark.slow("tensorflow", "jax")
def test_runs_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(WriteError, match="cannot make the run folder"):
        digits_run(tmp_path)


@pytest.mark.parametrize("name", ["metrics.json", "history.csv", "model.keras", "config.toml"])
@pytest.mark.slow("tensorflow", "jax")
def test_broken_file_of_a_run_is_named(finished, tmp_path, name):
    content = (
        (finished.path / name).read_bytes()[:-30].replace(b"epochs", b"epohcs").replace(b"val_loss", b"val")
    )
    shutil.copy(finished.path / "variant.toml", tmp_path)
    shutil.copy(finished.path / "checksums.json", tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorruptFileError, match=f"{name} is not what was written there"):
        getattr(Run(tmp_path), name.split(".")[0])
    with Run(tmp_path).replacing(name) as temporary:  # with checksums of its own
        temporary.write_bytes(content)
    with pytest.raises(CorruptFileError, match=name if name != "config.toml" else "the config of run"):
        getattr(Run(tmp_path), name.split(".")[0])


@pytest.mark.slow("jax")
def test_loading_and_saving_leave_tensorflow_alone(finished):
    if keras.backend.backend() == "tensorflow":
        return
    code = (
        f"import sys; from pathlib import Path; from keras_mnist_ae import Run;"
        f"run = Run(Path({str(finished.path)!r})); run.write_model(run.model);"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_schedule_rises_and_falls_along_lines_and_is_the_same_in_plain_numbers():
    from keras_mnist_ae.training.optimizer import WarmUpAndDecay

    schedule = WarmUpAndDecay(0.5, 100, 0.1)
    rates = [schedule.at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[10] == pytest.approx(0.5)
    assert rates[100] == 0
    np.testing.assert_allclose(np.diff(rates[10:]), -0.5 / 90, rtol=1e-9)
    of_ops = [float(schedule(keras.ops.convert_to_tensor(step))) for step in (0, 5, 10, 50, 99, 100)]
    np.testing.assert_allclose(
        of_ops, [rates[step] for step in (0, 5, 10, 50, 99, 100)], rtol=1e-5, atol=1e-9
    )


@pytest.mark.parametrize(  # together they have every kind of row
    "name",
    [
        "vae-mlp",
        pytest.param("conv-unpool", marks=pytest.mark.slow("tensorflow", "jax")),
        pytest.param("conv-k16", marks=pytest.mark.slow),
        pytest.param("conv-best", marks=pytest.mark.slow),
    ],
)
def test_bfloat16_rounds_what_training_multiplies_and_nothing_else(name, tmp_path):
    """Losses are near those of float32 and not the same; weights and evaluation know nothing of it."""
    shared = {"epochs": 2, "batch_size": BATCH, "learning_rate": 1e-3, "warm_up": 0.0}
    exact = digits_run(tmp_path, name, **shared)
    rounded = digits_run(tmp_path, name, precision="bfloat16", **shared)
    for loss, near in zip(exact.history["loss"], rounded.history["loss"], strict=True):
        assert 0 < abs(near - loss) / loss < 2e-2
    assert {str(weight.dtype) for weight in rounded.model.weights} == {"float32"}
    images = torch.from_numpy(to_float(datasets.load("digits").test.images).transpose(0, 3, 1, 2))
    with torch.no_grad():
        reconstructions = with_weights_of(rounded.model)(images)[1]
    assert rounded.metrics["test_mse"] == pytest.approx(
        float((reconstructions - images).square().mean()), rel=1e-4
    )


@pytest.mark.slow("tensorflow", "jax")
def test_bfloat16_learns(tmp_path):
    exact, rounded = (
        digits_run(tmp_path, precision=precision, limit=320, epochs=6)
        for precision in ("float32", "bfloat16")
    )
    assert rounded.metrics["test_mse"] == pytest.approx(exact.metrics["test_mse"], rel=0.02)
    assert rounded.metrics["test_mse"] < 0.6 * exact.history["val_loss"][0]


@pytest.mark.slow("tensorflow", "jax")
def test_precision_that_is_unknown_is_refused(tmp_path):
    with pytest.raises(UsageError, match="precision is 'float16'; use one of float32, bfloat16"):
        digits_run(tmp_path, precision="float16")


def test_batches_in_one_call_are_few_and_fit_between_checkpoints():
    from keras_mnist_ae.training.fit import at_once  # which imports keras

    model = build("mlp")
    most = 1 if keras.backend.backend() == "torch" else 16  # Keras allows no more on torch
    assert at_once(model, 8) == at_once(model, 8, "30s") == most
    assert [at_once(model, 8, every) for every in ("1", "7", "24", "200")] == [
        min(most, count) for count in (1, 7, 12, 10)
    ]
    assert at_once(model, 10_000) == 1


@pytest.mark.slow("tensorflow", "jax")
def test_a_single_step_of_a_recipe_that_warms_up(tmp_path):
    run = digits_run(tmp_path, "conv", limit=64, epochs=1)
    assert np.isfinite(run.metrics["test_mse"])


@pytest.mark.parametrize("name", ["conv", "conv-unpool", "vae-conv"])
def test_moving_statistics_start_from_the_first_batch(name, digits):
    """What is normalised by them is then what is normalised by the batch."""
    model = build(name, seed=1)
    fit.start_statistics(model, digits[:BATCH])
    codes, batch_codes = (
        keras.tree.flatten(model.encoder(digits[:BATCH], training=training)) for training in (False, True)
    )
    for found, expected in zip(codes, batch_codes, strict=True):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (found, expected)), rtol=1e-3, atol=1e-5)
    norms = [layer for layer in model.encoder.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {BATCH_NORM_MOMENTUM}


@pytest.mark.slow("tensorflow", "jax")
def test_few_steps_with_batch_normalisation_are_not_spoilt_by_statistics_of_no_image(tmp_path):
    run = digits_run(tmp_path, "conv", limit=480, batch_size=160, epochs=6)
    assert run.metrics["train_mse"] < run.history["loss"][-1]


@pytest.mark.slow("tensorflow", "jax")
def test_batches_between_checkpoints_may_be_a_number(tmp_path):
    assert digits_run(tmp_path, "mlp", checkpoint_every=4).config.checkpoint_every == "4"


def test_final_statistics_are_the_mean_over_batches_and_keep_no_gradients(monkeypatch):
    """Of large images the batches are small: nothing that a row gives is kept for a backward pass."""
    monkeypatch.setattr(statistics, "PIXELS", 8 * 28 * 28)
    images = datasets.load("digits").train.images[:24]
    model, seen = build("conv", seed=3), []
    first = next(layer for layer in model.encoder.layers if layer.name.endswith("_norm"))
    call = first.call
    monkeypatch.setattr(first, "call", lambda x, **given: seen.append(x) or call(x, **given))
    statistics.settle_statistics(model, images)
    arrays = [keras.ops.convert_to_numpy(each) for each in seen]
    assert [len(each) for each in arrays] == [8, 8, 8]
    wanted = np.mean([each.var((0, 1, 2)) for each in arrays], axis=0)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(first.moving_variance), wanted, rtol=1e-4)
    if keras.backend.backend() == "torch":
        assert not any(each.requires_grad for each in seen)
