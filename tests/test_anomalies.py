"""Anomaly scores against independent oracles, thresholds that keep their promise, and the commands."""

import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.distance import cdist, mahalanobis
from scipy.special import expit
from scipy.stats import binom
from skimage.metrics import structural_similarity
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score
from support import some

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.analysis import bound, scores
from keras_mnist_ae.analysis.codec import Codec
from keras_mnist_ae.analysis.conformal import p_values, threshold
from keras_mnist_ae.analysis.detection import quality
from keras_mnist_ae.analysis.normal import fit, scored
from keras_mnist_ae.analysis.structure import pooled, ssim_map
from keras_mnist_ae.cli.main import kae as command
from keras_mnist_ae.errors import CorruptFileError, DataError, UsageError
from keras_mnist_ae.export.runtime import OnnxAutoencoder
from keras_mnist_ae.reporting import detected, scorers

IMAGES = datasets.load("digits").train.images
TRAIN, NORMAL, OTHERS = IMAGES[:300], IMAGES[300:400], IMAGES[400:420]


def blurred(images):
    return 0.5 * images + 0.1


def three_rows(images):
    return [images.reshape(len(images), 28, 28)[:, ::9, 10].astype(np.float32)]


CODEC = Codec(lambda images: [*three_rows(images), images], lambda outputs: blurred(outputs[1]))
STATISTICS = fit(CODEC, TRAIN)
UNSEEN = scored(CODEC, IMAGES[300:], STATISTICS, (scores.DEFAULT,))[scores.DEFAULT]
NAMES = tuple(name for name in scores.SCORES if name not in scores.VARIATIONAL)
VALUES = scored(CODEC, OTHERS, STATISTICS, NAMES)
PIXELS = OTHERS.astype(np.float64) / 255
REBUILT = blurred(OTHERS.astype(np.float32) / 255)


def test_errors_are_those_of_numpy_and_scikit_image():
    squares = np.square(PIXELS - REBUILT)[..., 0]
    np.testing.assert_allclose(VALUES["error"], squares.mean(axis=(1, 2)), rtol=1e-6)
    ssim = [
        structural_similarity(a[..., 0], b[..., 0], data_range=1)
        for a, b in zip(PIXELS.astype(np.float32), REBUILT, strict=True)
    ]
    np.testing.assert_allclose(VALUES["ssim"], 1 - np.array(ssim), rtol=1e-5)
    patches = [max(s[i : i + 5, j : j + 5].mean() for i in range(24) for j in range(24)) for s in squares]
    np.testing.assert_allclose(VALUES["patch"], patches, rtol=1e-6)


def test_distance_of_the_code_is_scipys():
    codes = three_rows(TRAIN / np.float32(255))[0].astype(np.float64)
    covariance = np.cov(codes, rowvar=False)
    shrunk = 0.95 * covariance + 0.05 * np.trace(covariance) / codes.shape[1] * np.eye(codes.shape[1])
    own = three_rows(OTHERS / np.float32(255))[0].astype(np.float64)
    expected = [mahalanobis(c, codes.mean(axis=0), np.linalg.inv(shrunk)) ** 2 / len(c) for c in own]
    np.testing.assert_allclose(VALUES["code"], expected, rtol=1e-5)


def test_what_needs_no_training_is_scikit_learns():
    flat, own = (a.reshape(len(a), -1) / 255.0 for a in (TRAIN, OTHERS))
    linear = PCA(32, svd_solver="full").fit(flat)
    residual = np.square(linear.inverse_transform(linear.transform(own)) - own).mean(axis=1)
    np.testing.assert_allclose(VALUES["pca"], residual, rtol=1e-4)
    nearest = np.sort(cdist(own, flat), axis=1)[:, :5].mean(axis=1)
    np.testing.assert_allclose(VALUES["knn"], nearest, rtol=1e-4)


def test_error_and_code_count_by_their_degrees_of_freedom():
    terms = scored(CODEC, TRAIN, STATISTICS, ("error", "code"))
    expected = sum(terms[name].mean() / terms[name].var() * VALUES[name] for name in ("error", "code"))
    np.testing.assert_allclose(VALUES["error+code"], expected, rtol=1e-6)


def similarities(images):
    """Means of scikit-image's SSIM over 8 x 8 cells of the 22 x 22 windows inside."""
    edges = np.linspace(0, 22, 9).astype(int)
    rows = []
    for image in images.astype(np.float64)[..., 0] / 255:
        inside = structural_similarity(image, blurred(image), data_range=1, full=True)[1][3:-3, 3:-3]
        rows.append([inside[a:b, c:d].mean() for a, b in pairwise(edges) for c, d in pairwise(edges)])
    return np.array(rows)


def test_structure_is_the_distance_of_scikit_images_ssim():
    usual, own = similarities(TRAIN), similarities(OTHERS)
    covariance = np.cov(usual, rowvar=False)
    shrunk = 0.95 * covariance + 0.05 * np.trace(covariance) / 64 * np.eye(64)
    expected = [mahalanobis(row, usual.mean(axis=0), np.linalg.inv(shrunk)) ** 2 / 64 for row in own]
    np.testing.assert_allclose(VALUES["structure"], expected, rtol=1e-5)


@pytest.mark.parametrize("variance", [0.0, 0.03])
def test_bound_is_that_of_torchs_distributions(variance):
    """With the same noise of the codes: divergence and densities by torch."""
    torch = pytest.importorskip("torch")
    from torch.distributions import Bernoulli, Normal, kl_divergence

    generator = np.random.default_rng(4)
    images, weights = generator.random((5, 4, 4, 1), np.float32), generator.normal(size=(2, 16))
    mean, log_variance = generator.normal(size=(2, 5, 2)).astype(np.float32)
    codec = Codec(
        None, lambda codes: expit(codes[0] @ weights).reshape(-1, 4, 4, 1), lambda _: (mean, log_variance)
    )
    posterior = Normal(torch.tensor(mean), torch.tensor(np.exp(0.5 * log_variance)))
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1).double()
    flat = torch.tensor(images.reshape(5, 16)).double()
    for noise in bound._noise(2):
        means = torch.sigmoid(
            (posterior.mean + posterior.stddev * torch.tensor(noise)) @ torch.tensor(weights)
        )
        pixels = Normal(means, variance**0.5) if variance else Bernoulli(means, validate_args=False)
        expected -= pixels.log_prob(flat).sum(1) / bound.DRAWS
    np.testing.assert_allclose(bound.negative_elbo(codec, images, variance), expected, rtol=1e-4)
    one = bound.negative_elbo(codec, images, variance)
    np.testing.assert_array_equal(one, bound.negative_elbo(codec, images, variance))  # no chance in it


@pytest.mark.parametrize("shape", [(28, 28, 1), (9, 31, 3), (5, 6, 1), (2, 2, 1)])
def test_similarity_is_scikit_images_for_every_size(shape):
    generator = np.random.default_rng(3)
    a, b = generator.random((2, 3, *shape))
    side = min(7, min(shape[:2]) - 1 + min(shape[:2]) % 2)
    options = {"win_size": side, "channel_axis": -1, "use_sample_covariance": side > 1}
    expected = [structural_similarity(x, y, data_range=1, **options) for x, y in zip(a, b, strict=True)]
    maps = ssim_map(a, b)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), expected, rtol=1e-9)
    assert pooled(maps, 8).shape == (3, min(8, maps.shape[1]) * min(8, maps.shape[2]))


def share_flagged(values, share, *, splits, calibrating=500):
    """The mean share flagged of the images that a random split leaves, and between what numbers 99 % of
    such means lie where the promise is kept exactly.
    """
    generator = np.random.default_rng(2)
    flagged = []
    for _ in range(splits):
        order = generator.permutation(values)
        flagged.append((order[calibrating:] > threshold(order[:calibrating], share)).mean())
    # the threshold varies as a share of `calibrating` images does, what it flags as one of the others
    trials = int(splits / (1 / calibrating + 1 / (len(values) - calibrating)))
    return np.mean(flagged), np.array(binom.interval(0.99, trials, share)) / trials


def check_promise(values, share, splits):
    mean, (low, high) = share_flagged(values, share, splits=splits)
    assert mean <= high
    assert mean >= low - 1 / 501  # nothing is given away but the rounding of (n + 1)(1 - a)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_promise_of_the_threshold_holds_over_random_splits(share):
    """Of images that training has not seen: those of which the statistics know nothing."""
    check_promise(UNSEEN, share, splits=1000)


@pytest.mark.slow
def test_promise_holds_over_200_splits_of_mnists_normal_images(tmp_path):
    """All images of a 0 that a training on 1,000 has not seen, train and test, by the default score."""
    try:
        zeros = normal_mnist()
    except DataError:
        pytest.skip("MNIST is not at hand")
    data = kae.Dataset.from_arrays(zeros[:1000])
    run = kae.train("conv", data, latent_dim=16, epochs=2, validation=200, runs_dir=tmp_path)
    kae.calibrate(run, 0.05)
    scorer = scorers.of_run(run).scorer
    assert scorer.score == scores.DEFAULT
    values = scored(scorer.codec, zeros[1000:], scorer.statistics, (scorer.score,))[scorer.score]
    assert len(values) > 5_000
    for share in (0.01, 0.05, 0.1):
        check_promise(values, share, splits=200)


def normal_mnist():
    data = datasets.load("mnist")
    return np.concatenate([split.images[split.labels == 0] for split in (data.train, data.test)])


def test_p_values_count_the_normal_images_at_least_as_high():
    assert p_values(np.array([0.0, 2.5, 9.0]), np.array([1.0, 2.0, 3.0])).tolist() == [1, 0.5, 0.25]


def test_too_few_normal_images_for_a_share():
    assert threshold(np.arange(99.0), 0.01) == 98
    with pytest.raises(UsageError, match="98 normal images are too few .* it takes 99"):
        threshold(np.arange(98.0), 0.01)
    with pytest.raises(UsageError, match="false_alarms is 1"):
        threshold(np.arange(9.0), 1)


def test_quality_is_scikit_learns():
    generator = np.random.default_rng(2)
    strange = generator.random(200) < 0.3
    values = generator.normal(size=200) + strange
    measures = quality(values, strange)
    assert measures["auroc"] == pytest.approx(roc_auc_score(strange, values))
    assert measures["average_precision"] == pytest.approx(average_precision_score(strange, values))
    low, high = measures["intervals"]["auroc"]
    assert low < measures["auroc"] < high
    ties = np.round(values)
    again = quality(ties, strange)
    assert again["auroc"] == pytest.approx(roc_auc_score(strange, ties))
    assert again["average_precision"] == pytest.approx(average_precision_score(strange, ties))
    assert quality(values, np.ones(200, bool))["auroc"] is None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    settings = {"classes": "0,1", "validation": 60, "epochs": 15, "batch_size": 16}
    run = kae.train("mlp", "digits", runs_dir=folder, name="two", **settings)
    kae.export_onnx(run, images=8)
    kae.calibrate(run, 0.05)
    return run


@pytest.fixture
def alone(run, tmp_path):
    """A copy of the export, without its run."""
    return shutil.copytree(run.path / "onnx", tmp_path / "alone")


def answer(*arguments):
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_training_sees_only_the_classes_asked_for(run):
    assert run.environment["train_images"] == sum(
        int((datasets.load("digits").train.labels == digit).sum()) for digit in (0, 1)
    )
    with pytest.raises(UsageError, match="has no class '12'"):
        kae.train("mlp", "digits", classes="12", runs_dir=run.path.parent)


def test_methods_of_a_run_are_the_functions(run):
    assert run.score("digits", normal="0", top=3) == kae.score(run, "digits", normal="0", top=3)
    assert len(run.score("digits", top=3).rows) == 3
    facts = run.calibrate(0.1, score="error")
    assert (facts["score"], facts["n"]) == ("error", 60)
    assert run.score("digits")["threshold"] == facts["threshold"]
    run.calibrate(0.05)


def test_json_and_table_are_the_contract(run, tmp_path):
    code, out, err = answer("score", run.path, "digits", "--json", "-o", tmp_path / "a.csv")
    assert code == 0, err
    facts = json.loads(out)
    expected = "run score n threshold false_alarms flagged auroc average_precision pca_auroc knn_auroc"
    assert list(facts) == expected.split()
    assert (facts["n"], facts["score"]) == (360, "structure")
    assert facts["auroc"] > 0.98
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "image,class,score,p_value,flagged"
    assert len(lines) == 361
    assert sum(line.endswith(",True") for line in lines) == facts["flagged"]


def test_tables_hold_the_same_in_each_kind(run, tmp_path):
    for suffix in ("csv", "npz", "parquet"):
        assert answer("score", run.path, "digits", "-o", tmp_path / f"a.{suffix}")[0] == 0
    from pyarrow import csv, parquet

    rows, columns = csv.read_csv(tmp_path / "a.csv"), parquet.read_table(tmp_path / "a.parquet")
    with np.load(tmp_path / "a.npz") as stored:
        arrays = dict(stored)
    assert rows.column_names == columns.column_names == list(arrays)
    found = run.score("digits", output=tmp_path / "b.npz", maps=tmp_path / "maps", top=2)
    for name in ("score", "p_value", "flagged"):
        told = found.arrays[name].tolist()
        assert rows[name].to_pylist() == columns[name].to_pylist() == arrays[name].tolist() == told
    assert (tmp_path / "b.npz").read_bytes() == (tmp_path / "a.npz").read_bytes()
    assert len(list((tmp_path / "maps").glob("*.png"))) == 2
    code, _, err = answer("score", run.path, "digits", "-o", tmp_path / "a.doc")
    assert (code, "cannot write .doc" in err) == (2, True)


def test_scores_of_keras_and_of_the_export_are_equal(run, alone):
    ours, theirs = scorers.of_run(run).scorer, scorers.find(alone).scorer
    pixels = OTHERS.astype(np.float32) / 255
    expected, found = ours(pixels, NAMES), theirs(pixels, NAMES)
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)
    graphs = OnnxAutoencoder(alone)
    np.testing.assert_allclose(graphs.score(OTHERS), expected["structure"], rtol=1e-5)
    assert graphs.flag(OTHERS).tolist() == (expected["structure"] > ours.threshold).tolist()
    squares = np.square(pixels - run.predict(pixels))[..., 0]
    np.testing.assert_allclose(graphs.error_map(OTHERS), squares, atol=1e-5)


@pytest.mark.parametrize("likelihood", some(["bernoulli", "gaussian"], "gaussian"))
def test_bound_scores_a_variational_run(tmp_path, likelihood):
    settings = {"epochs": 4, "batch_size": 32, "latent_dim": 8, "likelihood": likelihood}
    run = kae.train("vae-mlp", "digits", runs_dir=tmp_path, **settings)
    kae.export_onnx(run, images=8)
    facts = run.calibrate(0.1, score="elbo")
    values = scorers.of_run(run).scorer(datasets.load("digits").test.images / np.float32(255))["elbo"]
    assert values.mean() == pytest.approx(run.evaluate()["evidence"]["negative_elbo"], rel=0.02)
    pixels = OTHERS.astype(np.float32) / 255
    expected = scorers.of_run(run).scorer(pixels)["elbo"]
    np.testing.assert_allclose(OnnxAutoencoder(run.path / "onnx").score(pixels), expected, rtol=1e-5)
    assert facts["threshold"] == pytest.approx(np.sort(values)[-36])  # the 325th smallest of 360
    noise = np.random.default_rng(0).random((20, 28, 28, 1), np.float32)
    assert scorers.of_run(run).scorer(noise)["flagged"].all()


def test_bound_of_other_runs_is_refused(run):
    with pytest.raises(UsageError, match="score is 'elbo', which variational variants alone have"):
        run.calibrate(score="elbo")
    with pytest.raises(UsageError, match="the codes of mlp have no variance"):
        OnnxAutoencoder(run.path / "onnx").posterior(OTHERS)


@pytest.mark.parametrize("threads", [2, 5])
def test_chunks_beside_each_other_stay_in_order(alone, threads):
    one, many = (OnnxAutoencoder(alone, threads=count, chunk=7) for count in (1, threads))
    assert one.scorer.codec.threads == 1
    assert many.scorer.codec.threads == threads
    assert len(set(one.score(OTHERS).round(6))) > 0.9 * len(OTHERS)
    np.testing.assert_allclose(many.score(OTHERS), one.score(OTHERS), rtol=1e-6)


def test_an_export_scores_with_numpy_and_onnxruntime_alone(alone):
    refused = "keras torch onnx sklearn skimage scipy matplotlib click PIL platformdirs pyarrow"
    code = f"""
import sys
for name in {refused.split()!r}:
    sys.modules[name] = None
import numpy as np
from keras_mnist_ae.export.runtime import OnnxAutoencoder
graphs = OnnxAutoencoder({str(alone)!r})
images = np.zeros((2, 28, 28), np.uint8)
print(graphs.score(images).shape, graphs.flag(images).tolist(), graphs.error_map(images).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("(2,) [True, True] (2, 28, 28)"), done.stderr


def test_calibration_stands_in_manifest_and_metadata(run, alone):
    facts = json.loads((alone / "calibration.json").read_text())
    told = {name: facts[name] for name in ("score", "threshold", "false_alarms", "n")}
    assert json.loads(OnnxAutoencoder(alone).info.metadata["calibration"]) == told
    manifest = json.loads((alone / "manifest.json").read_text())["calibration"]
    assert {name: manifest[name] for name in told} == told
    before = (alone / "encoder.onnx").read_bytes()
    kae.export_onnx(run, images=8)  # a new export knows the calibration of the run
    assert (run.path / "onnx" / "encoder.onnx").read_bytes() == before
    assert kae.score(run.path / "onnx", "digits")["threshold"] == facts["threshold"]
    facts["threshold"] = 0.0
    (alone / "calibration.json").write_text(json.dumps(facts))
    with pytest.raises(CorruptFileError, match=r"not the calibration that its manifest.json names"):
        kae.score(alone, "digits")


def test_maps_have_one_scale_whatever_they_show(run, tmp_path, monkeypatch):
    from keras_mnist_ae.reporting import score_files

    scales, draw = [], score_files.error_heat

    def noted(*arguments):
        scales.append(arguments[-1])
        return draw(*arguments)

    monkeypatch.setattr(score_files, "error_heat", noted)
    for top in (1, 3):
        code, out, _ = answer("score", run.path, "digits", "--maps", tmp_path / f"{top}", "--top", top)
        assert code == 0
        assert len(list((tmp_path / f"{top}").glob("*.png"))) == top
    assert len(scales) == 4
    assert len(set(scales)) == 1
    assert "flagged" in out


def test_latest_run_is_taken_where_none_is_named(run):
    runs = run.path.parent
    assert (
        answer("score", "digits", "--runs-dir", runs)[1]
        == answer("score", "two", "digits", "--runs-dir", runs)[1]
    )
    assert answer("score", "--runs-dir", runs)[0] == 2


@pytest.fixture
def copied(run, tmp_path):
    """A copy of the run, to be written to."""
    return kae.Run(shutil.copytree(run.path, tmp_path / "copy"))


def test_report_tells_of_the_test_images_what_score_does(copied):
    facts = kae.score(copied, "digits")
    before = detected.section(copied)
    assert f"above {facts['threshold']:.6g}. Of further normal images at most 5.00%" in before["threshold"]
    assert before["test"] == ""
    detected.renew(copied, None, None)
    shown = detected.section(copied)
    assert f"Of the 360 test images {facts['flagged']} are flagged" in shown["test"]
    assert f"{facts['false_alarms']:.2%} of the others" in shown["test"]
    values = {name: value for name, value, _ in shown["measures"]}
    assert values["AUROC of structure"] == f"{facts['auroc']:.4f}"
    rows = {name: (flagged, auroc) for name, _, flagged, auroc in shown["classes"]}
    assert rows["1"][1] == "normal"
    assert rows["7"] == (str(facts["classes"]["7"]["flagged"]), f"{facts['classes']['7']['auroc']:.4f}")
    assert copied.figure("anomalies").is_file()
    kae.calibrate(copied, 0.1)
    assert detected.section(copied)["test"] == ""  # those numbers were of another threshold


@pytest.mark.slow
def test_report_has_a_section_once_there_is_a_calibration(copied, finished_runs):
    page = copied.report().read_text("utf-8")
    assert 'id="anomalies"' in page
    assert page.count("Scores and the strangest images") >= 1
    assert detected.section(finished_runs("mlp")) is None


def picture(path, pixels):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0]).save(path)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Pictures in the layout of MVTec AD: zeros are good."""
    folder, data = tmp_path_factory.mktemp("data") / "parts", datasets.load("digits")
    for split, kinds in (("train", {"good": 0}), ("test", {"good": 0, "bent": 1})):
        source = getattr(data, split)
        for kind, digit in kinds.items():
            for at in np.flatnonzero(source.labels == digit)[:100]:
                picture(folder / split / kind / f"{at}.png", source.images[at])
    return folder


def test_good_pictures_of_the_training_folder_are_normal(parts, tmp_path):
    run = kae.train("mlp", parts, validation=30, epochs=20, batch_size=8, runs_dir=tmp_path, name="p")
    assert answer("calibrate", run.path, "--false-alarms", 0.1)[0] == 0
    code, out, err = answer("score", run.path, parts, "-o", tmp_path / "a.csv")
    assert code == 0, err
    assert "good is taken for what is normal, bent for strange" in err
    assert "AUROC" in out
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == 1 + len(list((parts / "test").rglob("*.png")))  # the test pictures alone
    assert any(line.startswith("test/bent/") and ",bent," in line for line in lines)
    one = next((parts / "test" / "bent").iterdir())
    assert kae.score(run, one)["n"] == 1
    unlabelled = kae.score(run, parts / "test" / "bent")
    assert (unlabelled["n"], unlabelled["auroc"]) == (36, None)
    facts = kae.calibrate(run, 0.1, images=parts / "test" / "good")
    assert (facts["n"], facts["normal"]) == (35, "in good")


def test_normal_images_are_those_of_the_classes_trained_on(tmp_path):
    run = kae.train("mlp", "digits", classes="3", epochs=1, runs_dir=tmp_path, name="three")
    facts = kae.calibrate(run, 0.1)
    assert facts["n"] == int((datasets.load("digits").test.labels == 3).sum())
    with pytest.raises(UsageError, match="are too few"):
        kae.calibrate(run, 0.001)
    with pytest.raises(UsageError, match="score is 'structur'; did you mean 'structure'"):
        kae.calibrate(run, score="structur")


def test_images_are_read_as_asked_for(run, tmp_path):
    """Of another size, on another range and inverted: what is left is what the run reads."""
    images = IMAGES[:120, ..., 0]
    np.save(tmp_path / "as.npy", images)
    np.save(tmp_path / "wide.npy", np.pad(images, ((0, 0), (0, 0), (10, 10))))
    np.save(tmp_path / "other.npy", (255 - images).astype(np.float32) / 127.5 - 1)
    expected = run.score(tmp_path / "as.npy").arrays["score"]
    for name, options in (
        ("wide", {"resize": True}),
        ("other", {"range": "-1:1", "invert": True}),
    ):
        found = run.score(tmp_path / f"{name}.npy", **options).arrays["score"]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    code, _, err = answer("score", run.path, tmp_path / "wide.npy")
    assert (code, "Fit them: --resize" in err) == (4, True)
    command = ("calibrate", run.path, "--false-alarms", 0.05, "--images", tmp_path / "wide.npy")
    assert answer(*command)[0] == 4
    assert answer(*command, "--resize")[0] == 0
    run.calibrate(0.05)
    code, _, err = answer("calibrate", run.path, "--resize", "--range", "0:255")
    assert (code, "--resize, --range say how the images of --images are read" in err) == (2, True)
    with pytest.raises(UsageError, match="fit is 'cut'; use one of crop, pad, stretch"):
        run.score(tmp_path / "wide.npy", resize=True, fit="cut")
    with pytest.raises(UsageError, match="fit is 'pad', but nothing is resized: add resize"):
        run.score(tmp_path / "wide.npy", fit="pad")


def test_help_names_every_score():
    told = " ".join(answer("calibrate", "--help")[1].split())
    words = told.split("--score TEXT ")[1].split(". ")[0]
    assert set(scores.SCORES) <= set(re.findall(r"[a-z+]{2,}", words))


def test_data_without_strange_images_are_said(run, tmp_path, capsys):
    data = datasets.load("digits")
    np.savez(
        tmp_path / "a.npz",
        x_train=data.train.images[:8],
        x_test=data.test.images[:8],
        y_train=np.zeros(8, int),
        y_test=np.zeros(8, int),
    )
    result = kae.score(run, tmp_path / "a.npz", normal="0")
    assert result["auroc"] is None
    assert "all images are normal: there is no ranking" in capsys.readouterr().err
    np.save(tmp_path / "b.npy", data.test.images)
    assert kae.score(run, tmp_path / "b.npy")["false_alarms"] is None
    np.save(tmp_path / "c.npy", data.test.images[:, :20, :20])
    with pytest.raises(DataError, match="28"):
        kae.score(run, tmp_path / "c.npy")
    np.save(tmp_path / "d.npy", np.full((2, 28, 28), np.nan))
    with pytest.raises(DataError, match="nan"):
        kae.score(run, tmp_path / "d.npy")
    with pytest.raises(UsageError, match="there is no class 'x'"):
        kae.score(run, "digits", normal="x")


@pytest.mark.slow
def test_pooling_switches_are_warned_of(tmp_path, capsys):
    run = kae.train("conv-unpool", "digits", limit=64, epochs=1, runs_dir=tmp_path)
    kae.calibrate(run, 0.1)
    assert "carry most of the image past the code" in capsys.readouterr().err


def test_calibration_of_another_model_is_refused(run, tmp_path):
    other = kae.train("mlp", "digits", limit=40, epochs=1, seed=1, runs_dir=tmp_path, name="other")
    with pytest.raises(UsageError, match="no calibration yet"):
        scorers.of_run(other)
    for name in ("calibration.json", "scoring.npz"):
        with other.replacing(name) as temporary:
            temporary.write_bytes((run.path / name).read_bytes())
    with pytest.raises(CorruptFileError, match="of another model"):
        scorers.of_run(other)
