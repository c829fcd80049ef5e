"""Anomaly scores against independent oracles, thresholds that keep their promise, and the commands."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.distance import cdist, mahalanobis
from skimage.metrics import structural_similarity
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score

import keras_mnist_ae as kae
from keras_mnist_ae.analysis import scores
from keras_mnist_ae.analysis.codec import Codec
from keras_mnist_ae.analysis.conformal import p_values, threshold
from keras_mnist_ae.analysis.detection import quality
from keras_mnist_ae.cli.main import kae as command
from keras_mnist_ae.errors import CorruptFileError, UsageError
from keras_mnist_ae.reporting.anomalies import Scorer

IMAGES = kae.datasets.load("digits").train.images
TRAIN, NORMAL, OTHERS = IMAGES[:300], IMAGES[300:400], IMAGES[400:420]


def blurred(images):
    return 0.5 * images + 0.1


def three_rows(images):
    return [images.reshape(len(images), 28, 28)[:, ::9, 10].astype(np.float32)]


CODEC = Codec(lambda images: [*three_rows(images), images], lambda outputs: blurred(outputs[1]))
STATISTICS = scores.fit(CODEC, TRAIN, NORMAL)
VALUES = scores.scored(CODEC, OTHERS, STATISTICS, list(scores.SCORES))
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
    terms = scores.scored(CODEC, NORMAL, STATISTICS, ["error", "code"])
    expected = sum(terms[name].mean() / terms[name].var() * VALUES[name] for name in ("error", "code"))
    np.testing.assert_allclose(VALUES["error+code"], expected, rtol=1e-6)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_promise_of_the_threshold_holds_over_many_splits(share):
    """Of exchangeable scores at most that share lies above it, on average."""
    generator = np.random.default_rng(1)
    values = generator.gamma(2.0, size=4000)
    flagged = []
    for _ in range(60):
        order = generator.permutation(values)
        flagged.append((order[400:] > threshold(order[:400], share)).mean())
    spread = 2.6 * np.std(flagged) / np.sqrt(len(flagged))
    assert np.mean(flagged) <= share + spread


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
    assert quality(values, np.ones(200, bool))["auroc"] is None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    settings = {"classes": "0,1", "validation": 60, "epochs": 15, "batch_size": 16}
    run = kae.train("mlp", "digits", runs_dir=folder, name="two", **settings)
    kae.export_onnx(run, images=8)
    kae.calibrate(run, 0.05)
    return run


def answer(*arguments):
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_training_sees_only_the_classes_asked_for(run):
    assert run.environment["train_images"] == sum(
        int((kae.datasets.load("digits").train.labels == digit).sum()) for digit in (0, 1)
    )
    with pytest.raises(UsageError, match="has no class '12'"):
        kae.train("mlp", "digits", classes="12", runs_dir=run.path.parent)


def test_scores_of_a_run_and_of_its_export_are_equal(run, tmp_path):
    code, out, err = answer("score", run.path, "digits", "--json", "-o", tmp_path / "a.csv")
    assert code == 0, err
    facts = json.loads(out)
    assert {"run", "score", "n", "threshold", "false_alarms", "flagged", "auroc"} <= facts.keys()
    assert (facts["n"], facts["score"]) == (360, "error+code")
    assert facts["auroc"] > 0.9
    assert (tmp_path / "a.csv").read_text().startswith("image,class,score,p_value,flagged\n0,")
    again = json.loads(answer("score", run.path / "onnx", "digits", "--json")[1])
    assert again["auroc"] == pytest.approx(facts["auroc"], abs=1e-4)
    ours, theirs = Scorer.of_run(run), Scorer.of_export(run.path / "onnx")
    np.testing.assert_allclose(ours(OTHERS)["error+code"], theirs(OTHERS)["error+code"], rtol=1e-4)


def test_maps_and_tables_are_written(run, tmp_path):
    code, out, _ = answer("score", run.path, "digits", "--maps", tmp_path / "maps", "--top", 3)
    assert code == 0
    assert len(list((tmp_path / "maps").glob("*.png"))) == 3
    assert "flagged" in out
    assert answer("score", run.path, "digits", "-o", tmp_path / "a.parquet")[0] == 0
    assert answer("score", run.path, "digits", "-o", tmp_path / "a.doc")[0] == 2


def test_calibration_of_another_model_is_refused(run, tmp_path):
    other = kae.train("mlp", "digits", limit=40, epochs=1, seed=1, runs_dir=tmp_path, name="other")
    with pytest.raises(UsageError, match="no calibration yet"):
        Scorer.of_run(other)
    for name in ("calibration.json", "scoring.npz"):
        (other.path / name).write_bytes((run.path / name).read_bytes())
    with pytest.raises(CorruptFileError, match="of another model"):
        Scorer.of_run(other)
