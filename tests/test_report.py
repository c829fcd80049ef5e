"""kae evaluate, latent, generate, interpolate, figures, report and runs --compare: what they write,
and what they say when they cannot.
"""

import dataclasses
import html
import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.image import imread

from keras_mnist_ae import datasets, train
from keras_mnist_ae.analysis import plots
from keras_mnist_ae.analysis.codec import of_model
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.datasets import Split
from keras_mnist_ae.errors import at_command_line
from keras_mnist_ae.reporting import figures
from keras_mnist_ae.reporting.captions import CAPTIONS
from keras_mnist_ae.runs.folder import Run

DATA = datasets.load("digits")


def run(*arguments):
    return CliRunner().invoke(kae, [str(argument) for argument in arguments], catch_exceptions=False)


def told(*arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two finished runs, the second with pooling switches, both exported."""
    folder = tmp_path_factory.mktemp("runs")
    for variant in ("mlp", "conv-unpool"):
        train(variant, dataset="digits", limit=300, epochs=2, runs_dir=folder, name=variant)
        assert run("export", "onnx", variant, "--runs-dir", folder, "--images", 8).exit_code == 0
    return folder


@pytest.fixture
def runs(finished, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(finished, tmp_path / "runs")


@pytest.fixture(scope="module")
def once_reported(finished, tmp_path_factory):
    path = shutil.copytree(finished / "mlp", tmp_path_factory.mktemp("reported") / "mlp")
    told("report", path)
    return path


@pytest.fixture
def reported(once_reported, tmp_path):
    """A copy of the mlp's run once all of it is measured, drawn and reported."""
    return shutil.copytree(once_reported, tmp_path / "mlp")


def test_evaluate_tells_keras_and_onnx_alike(runs):
    keras = told("evaluate", runs / "mlp")
    assert {
        "n",
        "mse",
        "rmse",
        "mae",
        "psnr",
        "psnr_of_mean_mse",
        "ssim",
        "intervals",
        "per_class",
        "pca_mse",
        "mean_image_mse",
    } <= set(keras)
    assert (keras["n"], keras["model"], keras["split"]) == (360, "Keras", "test")
    low, high = keras["intervals"]["ssim"]
    assert low < keras["ssim"] < high
    onnx = told("evaluate", runs / "mlp", "--onnx")
    assert onnx["model"] == "ONNX float32"
    assert onnx["mse"] == pytest.approx(keras["mse"], abs=1e-6)
    assert onnx["ssim"] == pytest.approx(keras["ssim"], abs=1e-5)
    assert told("evaluate", runs / "mlp" / "onnx")["mse"] == onnx["mse"]
    seen = told("evaluate", runs / "mlp", "--split", "train")
    assert seen["n"] == 300
    metrics = json.loads((runs / "mlp" / "metrics.json").read_text())
    assert (metrics["n"], metrics["mse"]) == (360, keras["mse"])
    assert metrics["ONNX float32 test"]["mse"] == onnx["mse"]
    assert metrics["Keras train"]["mse"] == pytest.approx(metrics["train_mse"], rel=1e-6)


def test_evaluate_in_words_tells_which_psnr_and_what_switches_cost(runs):
    words = run("evaluate", runs / "conv-unpool").stdout
    assert "dB" in words
    assert "of the mean MSE" in words
    assert "64 float32 numbers and 9,408 bits of pooling switches" in words
    assert "6,272 bits, less than the code." in words


def test_evaluating_graphs_imports_no_keras(runs):
    code = (
        "import sys; from click.testing import CliRunner; from keras_mnist_ae.cli.main import kae;"
        f"done = CliRunner().invoke(kae, ['evaluate', {str(runs / 'mlp')!r}, '--onnx']);"
        "assert done.exit_code == 0, done.output; assert not {'keras', 'torch', 'tensorflow', 'jax'} & "
        "set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "KERAS_BACKEND": "torch"})


def test_graphs_that_are_not_there_or_of_another_run(runs):
    shutil.rmtree(runs / "mlp" / "onnx")
    missing = run("evaluate", runs / "mlp", "--onnx")
    assert missing.exit_code == 2
    assert "kae export onnx" in missing.stderr
    shutil.copytree(runs / "conv-unpool" / "onnx", runs / "mlp" / "onnx")
    foreign = run("evaluate", runs / "mlp", "--onnx")
    assert foreign.exit_code == 5
    assert "says mlp, but the graphs" in foreign.stderr


def test_nan_ends_in_a_message_and_changes_nothing(runs):
    from keras_mnist_ae.runs.runs_dir import find

    found = find(str(runs / "mlp"))
    model = found.model
    model.decoder.weights[-1].assign(np.full(784, np.nan, "float32"))
    found.write_model(model)
    before = (runs / "mlp" / "metrics.json").read_text()
    for words in (("evaluate",), ("generate",), ("figures",), ("interpolate", "0", "1")):
        done = run(words[0], runs / "mlp", *words[1:])
        assert done.exit_code == 6, words
        assert "the decoder gives NaN or infinity" in done.stderr
    assert (runs / "mlp" / "metrics.json").read_text() == before


def test_run_without_a_model(runs):
    (runs / "mlp" / "model.keras").unlink()
    for command in ("evaluate", "latent", "generate", "figures", "report", "resume"):
        done = run(command, runs / "mlp")
        assert done.exit_code == 2, command
        assert "model.keras is gone, although the run was finished" in done.stderr


def test_latent_keeps_its_numbers_and_draws(runs):
    found = told("latent", runs / "mlp")
    assert found["n_train"] == 300
    assert json.loads((runs / "mlp" / "metrics.json").read_text())["latent"]["knn"] == found["knn"]
    for path in found["figures"]:
        assert imread(path).size
    assert "5 nearest neighbours" in run("latent", runs / "mlp").stdout


def test_generate_writes_images_and_their_nearest_neighbours(runs):
    found = told("generate", runs / "mlp", "-n", 6, "--density", "gaussian", "--seed", 3)
    assert (found["n"], found["density"], found["components"], found["switches"]) == (6, "gaussian", 1, None)
    with np.load(found["arrays"]) as arrays:
        assert {name: arrays[name].shape for name in arrays} == {
            "images": (6, 28, 28, 1),
            "codes": (6, 32),
            "nearest": (6,),
            "distances": (6,),
        }
        nearest = DATA.train.images[:300][arrays["nearest"]] / 255
        expected = np.sqrt(np.square(arrays["images"] - nearest).mean(axis=(1, 2, 3)))
        np.testing.assert_allclose(arrays["distances"], expected, atol=1e-4)
        assert found["nearest_rmse"] == pytest.approx(np.median(expected), abs=1e-4)
    words = run("generate", runs / "conv-unpool", "-n", 3).stdout
    (drawn,) = (line.split()[-1] for line in words.splitlines() if line.startswith("figure"))
    assert drawn == str(runs / "conv-unpool" / "figures" / "generated.png")
    assert imread(drawn).size
    assert (
        "pooling switches, which cannot be drawn: they are borrowed from the training image whose code is "
        "nearest" in words
    )


def test_interpolate(runs):
    found = told("interpolate", runs / "conv-unpool", 0, 5)
    assert (found["a"], found["b"], found["classes"]) == (
        0,
        5,
        [DATA.classes[DATA.test.labels[index]] for index in (0, 5)],
    )
    assert imread(found["figure"]).size
    assert "those of the nearer end" in run("interpolate", runs / "conv-unpool", 0, 5).stdout
    assert "test image 360" in run("interpolate", runs / "mlp", 0, 360).stderr
    for words in ((0,), (0, "x"), (runs / "mlp", -1, 2)):
        assert run("interpolate", *words).exit_code == 2


class Page(HTMLParser):
    """What a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources, self.alts, self.levels = set(), [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found["src"]] if "src" in found else []
        self.alts += [found["alt"]] if tag == "img" else []
        self.levels += [int(tag[1])] if tag in ("h1", "h2", "h3") else []


def test_report_stands_alone_and_tells_the_story(runs):
    path = told("report", runs / "conv-unpool")["report"]
    text = Path(path).read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.sources) == len(CAPTIONS)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert all(len(alt) > 20 for alt in page.alts)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert page.levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(page.levels))
    metrics = json.loads((runs / "conv-unpool" / "metrics.json").read_text())
    for shown in (
        f"{metrics['mse']:.5f}",
        f"{metrics['pca_mse']:.5f}",
        f"{100 * metrics['latent']['knn']['codes']:.2f} %",
        "210,465",
    ):
        assert shown in text
    assert "autoencoder.onnx" in text
    assert "prefers-color-scheme: dark" in text
    assert "nan" not in text.lower().replace("base64", "").split("data:image")[0]


def test_report_uses_what_was_measured_already(reported):
    found = Run(reported)
    found.write_metrics({**found.metrics, "ssim": 0.1234})
    told("report", reported)
    assert "0.1234" in found.report_file.read_text()


@pytest.mark.parametrize(
    ("name", "labelled"),
    [
        ("mlp", True),
        pytest.param("conv-unpool", False, marks=pytest.mark.slow),
        pytest.param("mlp", False, marks=pytest.mark.slow),
        pytest.param("conv-unpool", True, marks=pytest.mark.slow),
    ],
)
def test_no_picture_is_clipped_or_empty(name, labelled, runs, tmp_path):
    from keras_mnist_ae.runs.runs_dir import find

    data = dataclasses.replace(DATA, train=Split(DATA.train.images[:300], DATA.train.labels[:300]))
    if not labelled:
        data = dataclasses.replace(
            data, train=Split(data.train.images, None), test=Split(data.test.images, None), classes=()
        )
    drawn = dict(figures.pictures(find(str(runs / name)), data))
    assert set(drawn) == set(CAPTIONS)
    for title, figure in drawn.items():
        plots.save(figure, tmp_path / "picture.png")
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert box.x0 > -0.01, title
        assert box.y0 > -0.01, title
        assert box.x1 < width + 0.01, title
        assert box.y1 < height + 0.01, title
        assert all(axes.has_data() for axes in figure.axes), title
        assert imread(tmp_path / "picture.png").std() > 0.05, title


def test_collapsed_run_is_told_of_and_the_rest_of_its_story_is_there(runs):
    found = Run(runs / "mlp")
    model = found.model
    kernel = [weight for weight in model.encoder.weights if len(weight.shape) == 2][-1]
    kernel.assign(np.zeros(kernel.shape, "float32"))
    found.write_model(model)
    for command in ("latent", "generate"):
        done = run(command, found.path)
        assert done.exit_code == 6
        assert "every image has the same code" in done.stderr
    drawn = told("figures", found.path)["figures"]
    assert set(drawn) == {"losses", "reconstructions", "classes", "errors"}
    assert "left out map, neighbours, traverse, samples, interpolations" in run("figures", found.path).stderr
    assert "every image has the same code" in Path(told("report", found.path)["report"]).read_text()
    assert "both images have the same code" in run("interpolate", found.path, 0, 1).stderr


def test_report_of_a_small_model_carries_its_explorer_and_of_a_large_one_links_it(reported, monkeypatch):
    frames = []

    class Frames(HTMLParser):
        def handle_starttag(self, tag, attrs):
            frames.extend([dict(attrs)] if tag == "iframe" else [])

    Frames().feed((reported / "report.html").read_text("utf-8"))
    page = (reported / "explorer.html").read_text("utf-8")
    assert [frame["srcdoc"] for frame in frames] == [page]
    assert frames[0]["sandbox"] == "allow-scripts"  # and no reach into the report
    monkeypatch.setattr("keras_mnist_ae.reporting.html.EMBEDDED", 100_000)
    told("report", reported)
    large = (reported / "report.html").read_text("utf-8")
    assert "<iframe" not in large
    assert 'href="explorer.html"' in large


def test_explorer_is_made_anew_when_the_run_has_changed(reported):
    page = reported / "explorer.html"
    made = page.stat().st_mtime_ns
    told("report", reported)
    assert page.stat().st_mtime_ns == made
    os.utime(reported / "model.keras")
    told("report", reported)
    assert page.stat().st_mtime_ns > made


def test_report_keeps_the_pictures_that_are_there(reported):
    told("generate", reported, "-n", 3)
    before = {path.name: path.read_bytes() for path in (reported / "figures").iterdir()}
    told("evaluate", reported)
    told("report", reported)
    after = {path.name: path.read_bytes() for path in (reported / "figures").iterdir()}
    assert {"generated.png", "samples.png"} <= set(before)
    assert after == before


def test_copied_runs_without_latest_have_a_newest(runs):
    (runs / "latest").unlink()
    os.utime(runs / "mlp" / "config.toml", (2e9, 2e9))
    assert told("evaluate", "--runs-dir", runs)["run"] == str(runs / "mlp")


def test_traverse_of_two_numbers_is_the_plane_they_span():
    codes = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    seen = []

    def decode(parts):
        seen.append(parts[0])
        return np.zeros((len(parts[0]), 28, 28, 1), np.float32)

    figures.traverse(figures.Codec(lambda images: [codes[: len(images)]], decode), codes, DATA.train.images)
    plane = np.array(seen)
    assert plane.shape == (9, 9, 2)
    np.testing.assert_allclose(plane[4, 4], codes.mean(axis=0), atol=1e-6)
    assert np.linalg.matrix_rank(plane.reshape(-1, 2)) == 2


def test_untrained_model_of_the_picture_is_that_of_the_seed(runs, monkeypatch):
    shown = []
    monkeypatch.setattr(figures.plots, "strips", lambda rows, *others, **options: shown.append(dict(rows)))
    from keras_mnist_ae import build
    from keras_mnist_ae.runs.runs_dir import find

    pictures = figures.pictures(find(str(runs / "mlp")), DATA)
    assert [next(pictures)[0] for _ in range(2)] == ["losses", "reconstructions"]
    expected = of_model(build("mlp", 0)).reconstruct(shown[0]["original"])
    np.testing.assert_allclose(shown[0]["before training"], expected, atol=1e-6)


def test_runs_side_by_side(runs):
    told("evaluate", runs / "mlp")
    found = told("runs", "--compare", "mlp", "conv-unpool", "--runs-dir", runs)
    assert [row["run"] for row in found["runs"]] == ["mlp", "conv-unpool"]
    assert imread(found["figure"]).size
    lines = run("runs", "--compare", "mlp", "conv-unpool", "--runs-dir", runs).stdout.splitlines()
    assert lines[1].split() == ["variant", "mlp", "conv-unpool"]
    assert any(line.startswith("parameters") and "222,384" in line and "210,465" in line for line in lines)
    assert any(line.startswith("SSIM") and line.endswith("-") for line in lines)
    assert not any(line.startswith("seed") for line in lines), "only settings that differ"
    for words in (("--compare", "mlp"), ("--compare",), ("mlp",)):
        assert run("runs", *words, "--runs-dir", runs).exit_code == 2
    (runs / "mlp" / "metrics.json").unlink()
    unfinished = run("runs", "--compare", "mlp", "conv-unpool", "--runs-dir", runs)
    assert unfinished.exit_code == 2
    assert "was not finished" in unfinished.stderr


def test_numbers_of_two_commands_at_once_are_both_kept(runs):
    first, second = Run(runs / "mlp"), Run(runs / "mlp")
    assert first.metrics == second.metrics
    first.add_metrics({"one": 1})
    second.add_metrics({"two": 2})
    assert {"one", "two", "test_mse"} <= Run(runs / "mlp").metrics.keys()


def test_report_of_a_broken_manifest(reported):
    for broken in ("{", "{}"):
        (reported / "onnx" / "manifest.json").write_text(broken)
        done = run("report", reported)
        assert done.exit_code == 5
        assert "manifest.json is not a manifest of ours" in done.stderr


def test_any_seed_generates(runs):
    assert told("generate", runs / "mlp", "-n", "2", "--seed", 2**32 + 1)["n"] == 2


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_of_very_few_test_images(count, runs, tmp_path):
    data = dataclasses.replace(DATA, test=Split(DATA.test.images[:count], DATA.test.labels[:count]))
    found = {name for name, _ in figures.pictures(Run(runs / "mlp"), data)}
    assert ("interpolations" in found) == (count == 2)


def test_a_picture_shows_the_first_of_many_generated_images(runs):
    made = figures.Generated(
        *(
            np.zeros((2000, *shape), dtype)
            for shape, dtype in (((28, 28, 1), "f4"), ((12,), "f4"), ((), "i8"), ((), "f8"))
        ),
        1,
    )
    assert len(figures.samples(made, DATA.train, "prior", False).axes) <= 2 * figures.DRAWN


@pytest.fixture(scope="module")
def travelled(tmp_path_factory):
    """A variational run of arrays on disk that are no longer there."""
    folder = tmp_path_factory.mktemp("travelled")
    np.save(folder / "images.npy", datasets.load("digits").train.images[:120])
    found = train("vae-mlp", dataset=folder / "images.npy", epochs=2, runs_dir=folder, name="run")
    (folder / "images.npy").unlink()
    return found.path


def test_report_without_the_data_holds_what_the_run_knows(travelled):
    done = run("report", travelled)
    assert done.exit_code == 0
    assert "there is no folder or file" in done.stderr
    assert "the report holds what the run knows" in done.stderr
    page = (travelled / "report.html").read_text("utf-8")
    found = Run(travelled)
    assert f"{found.metrics['test_mse']:.5f}" in page
    with at_command_line():
        assert found.verdict[0] in html.unescape(page)
    assert "The data were not at hand" in page
    assert page.count("data:image/png;base64,") == 2  # losses and reconstructions
    assert not found.evaluated
    assert run("report", travelled, "--dataset", travelled / "nope.npy").exit_code == 4


def test_the_prior_needs_no_data(travelled):
    numbers = told("generate", travelled, "--density", "prior", "-n", 4)
    assert numbers["nearest_rmse"] is None
    assert np.load(numbers["arrays"])["images"].shape == (4, 28, 28, 1)
    assert "RMSE" not in run("generate", travelled, "-n", 4).stdout
    assert run("generate", travelled, "--density", "mixture").exit_code == 4


def test_report_tells_the_verdict(once_reported):
    page = html.unescape((once_reported / "report.html").read_text("utf-8"))
    with at_command_line():
        assert all(sentence in page for sentence in Run(once_reported).verdict)
