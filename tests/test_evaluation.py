"""Numbers against independent oracles."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.decomposition import PCA
from sklearn.metrics import mean_absolute_error, mean_squared_error

from keras_mnist_ae import build, datasets
from keras_mnist_ae.analysis import evaluation, metrics, pca
from keras_mnist_ae.analysis.codec import of_model
from keras_mnist_ae.architecture.variants import find
from keras_mnist_ae.datasets import Dataset, Split
from keras_mnist_ae.datasets.images import chunks, to_float
from keras_mnist_ae.errors import ValidationError

GOLDEN_PCA = {
    8: (0.037865, 0.037441),
    32: (0.017243, 0.016828),
    64: (0.009284, 0.009047),
}  # components: train, test MSE on MNIST


def noisy(images, scale):
    """A reconstruction that is off by known noise, whatever the chunks."""
    noise = np.random.default_rng(1).normal(0, scale, images.shape)
    seen = []

    def reconstruct(chunk):
        start = sum(seen)
        seen.append(len(chunk))
        return chunk + noise[start : start + len(chunk)]

    return reconstruct, noise


@pytest.mark.parametrize(
    "shape", [(2300, 8, 9, 1), (40, 16, 12, 3)], ids=["grey", "colour"]
)  # more than two chunks, the last one short
def test_measures_are_those_of_scikit_image_and_scikit_learn(shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    reconstruct, noise = noisy(images, 0.1)
    found = metrics.measure(images, reconstruct)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        ["mse", "mae", "psnr", "ssim"], shape[:1]
    )
    for index in (0, 7, len(images) - 1):
        image = images[index] / 255
        other = image + noise[index]
        assert found["mse"][index] == pytest.approx(
            mean_squared_error(image.ravel(), other.ravel()), abs=1e-6
        )
        assert found["mae"][index] == pytest.approx(
            mean_absolute_error(image.ravel(), other.ravel()), abs=1e-6
        )
        assert found["psnr"][index] == pytest.approx(
            peak_signal_noise_ratio(image, other, data_range=1), abs=1e-5
        )
        assert found["ssim"][index] == pytest.approx(
            structural_similarity(image, other, data_range=1, channel_axis=2), abs=1e-6
        )
    again, _ = noisy(images, 0.1)
    np.testing.assert_array_equal(metrics.squared_errors(images, again), found["mse"])


def test_summary_tells_both_kinds_of_psnr():
    found = metrics.summary(
        {
            "mse": np.array([0.1, 0.001]),
            "mae": np.array([0.2, 0.4]),
            "psnr": np.array([10.0, 30.0]),
            "ssim": np.ones(2),
        }
    )
    assert found["n"] == 2
    assert found["mse"] == pytest.approx(0.0505)
    assert found["rmse"] == pytest.approx(0.0505**0.5)
    assert found["psnr"] == 20
    assert found["psnr_of_mean_mse"] == pytest.approx(-10 * np.log10(0.0505))


def test_perfect_reconstruction_has_finite_numbers():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    found = metrics.measure(images, lambda chunk: chunk)
    assert (found["psnr"] == 100).all()
    assert metrics.summary(found)["psnr_of_mean_mse"] == pytest.approx(100)


def test_intervals_are_those_of_scipy():
    generator = np.random.default_rng(3)
    per_image = {name: generator.gamma(2, 0.01, 500) for name in ("mse", "mae", "psnr", "ssim")}
    found = metrics.intervals(per_image)
    theirs = bootstrap(
        (per_image["mse"],), np.mean, n_resamples=4000, method="percentile", rng=generator
    ).confidence_interval
    spread = theirs.high - theirs.low
    assert found["mse"] == pytest.approx([theirs.low, theirs.high], abs=0.06 * spread)
    assert found["rmse"] == pytest.approx(np.sqrt(found["mse"]))
    low, high = found["psnr_of_mean_mse"]
    assert (low, high) == pytest.approx(tuple(-10 * np.log10(found["mse"][::-1])))
    assert set(found) == {"mse", "rmse", "mae", "psnr", "psnr_of_mean_mse", "ssim"}


def test_evaluation_holds_classes_worst_images_and_what_needs_no_training():
    data, variant = datasets.load("digits"), find("conv-unpool")
    reconstruct, _ = noisy(data.test.images, 0.05)
    seen = []
    found = evaluation.evaluate(data, "test", reconstruct, variant, seen.append)
    assert sum(seen) == found["n"] == 360
    assert sum(of["n"] for of in found["per_class"].values()) == 360
    weighted = sum(of["n"] * of["ssim"] for of in found["per_class"].values()) / 360
    assert weighted == pytest.approx(found["ssim"])
    errors = [image["mse"] for image in found["worst"]]
    assert len(errors) == 10
    assert errors == sorted(errors, reverse=True)
    again, _ = noisy(data.test.images, 0.05)
    all_errors = metrics.squared_errors(data.test.images, again)
    assert [image["index"] for image in found["worst"]] == list(np.argsort(-all_errors)[:10])
    assert found["worst"][0]["class"] == data.classes[data.test.labels[found["worst"][0]["index"]]]
    train, test = data.train.images / 255, data.test.images / 255
    assert found["mean_image_mse"] == pytest.approx(np.square(test - train.mean(axis=0)).mean(), abs=1e-6)
    assert found["compression"] == {
        "pixels": 784,
        "image_bits": 6272,
        "code_floats": 64,
        "switch_bits": 9408,
        "code_bits": 2048 + 9408,
        "ratio": 6272 / 11456,
    }


def test_images_without_labels_have_no_classes():
    data = datasets.load("digits")
    data = Dataset("plain", Split(data.train.images, None), Split(data.test.images[:20], None), (), "")
    reconstruct, _ = noisy(data.test.images, 0.05)
    found = evaluation.evaluate(data, "test", reconstruct, find("mlp"))
    assert found["per_class"] == {}
    assert {image["class"] for image in found["worst"]} == {None}


def test_nan_in_the_models_output_is_told_and_not_averaged():
    model = build("mlp")
    bias = model.decoder.weights[-1]
    bias.assign(np.full(bias.shape, np.nan, "float32"))
    with pytest.raises(ValidationError, match="NaN or infinity in 5 of 5 images"):
        metrics.measure(datasets.load("digits").test.images[:5], of_model(model).reconstruct)


def test_pca_is_that_of_scikit_learn():
    data = datasets.load("digits")
    train, test = (split.images.reshape(len(split.images), -1) / 255 for split in (data.train, data.test))
    theirs = PCA(16, svd_solver="full").fit(train)
    expected = np.square(theirs.inverse_transform(theirs.transform(test)) - test).mean()
    ours = pca.fit(data.train.images, 16)
    assert metrics.squared_errors(data.test.images, ours.reconstruct).mean() == pytest.approx(
        expected, abs=1e-9
    )
    codes = ours.encode(data.test.images / 255)
    np.testing.assert_allclose(np.abs(codes), np.abs(theirs.transform(test)), atol=1e-5)


@pytest.mark.parametrize(("images", "rank"), [(5, 4), (1, 0)])
def test_pca_of_few_images_has_no_more_components_than_they_vary_in(images, rank):
    data = datasets.load("digits")
    ours = pca.fit(data.train.images[:images], 32)
    assert ours.components.shape == (784, rank)
    train, test = (
        part.reshape(len(part), -1) / 255 for part in (data.train.images[:images], data.test.images)
    )
    if rank:
        theirs = PCA(rank).fit(train)
        expected = np.square(theirs.inverse_transform(theirs.transform(test)) - test).mean()
    else:
        expected = np.square(train - test).mean()
    assert metrics.squared_errors(data.test.images, ours.reconstruct).mean() == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.skipif("KAE_DATA_DIR" not in os.environ, reason="MNIST is not at hand (KAE_DATA_DIR)")
@pytest.mark.parametrize("components", GOLDEN_PCA)
def test_pca_on_mnist_gives_the_golden_values(components):
    data = datasets.load("mnist", Path(os.environ["KAE_DATA_DIR"]))
    ours = pca.fit(data.train.images, components)
    for images, expected in zip((data.train.images, data.test.images), GOLDEN_PCA[components], strict=True):
        assert metrics.squared_errors(images, ours.reconstruct).mean() == pytest.approx(expected, abs=1e-5)


def test_pca_of_many_pixels_is_that_of_the_covariance(monkeypatch):
    """By way of the images' products with each other, where the covariance would be too large."""
    images = datasets.load("digits").train.images[:300]
    exact = pca.fit(images, 12)
    monkeypatch.setattr(pca, "WIDEST", 100)
    other = pca.fit(images, 12)
    assert (exact.fitted, other.fitted) == (300, 300)
    np.testing.assert_allclose(other.components.T @ other.components, np.eye(12), atol=1e-9)
    np.testing.assert_allclose(other.reconstruct(images / 255), exact.reconstruct(images / 255), atol=2e-4)
    monkeypatch.setattr(pca, "LARGEST", 784 * 50)
    assert pca.fit(images, 12).fitted == 50
    assert pca.fit(images, 80).components.shape[1] == 80, "it needs more images than components"


@pytest.mark.parametrize(("side", "window"), [(1, 1), (2, 1), (5, 5), (6, 5), (8, 7)])
def test_ssim_of_small_images_has_the_largest_window_that_fits(side, window):
    images = np.random.default_rng(0).integers(0, 256, (3, side, side, 1), dtype=np.uint8)
    found = metrics.measure(images, lambda chunk: chunk * 0.9)["ssim"]
    for image, ssim in zip(to_float(images), found, strict=True):
        expected = structural_similarity(
            image,
            image * np.float32(0.9),
            data_range=1,
            channel_axis=2,
            win_size=window,
            use_sample_covariance=window > 1,
        )
        assert ssim == pytest.approx(expected, abs=1e-6)


def test_a_chunk_holds_as_many_pixels_of_images_of_any_size():
    sizes = [
        len(next(chunks(np.zeros((1100, *shape), np.uint8))))
        for shape in ((28, 28, 1), (7, 7, 1), (56, 56, 1), (28, 28, 3))
    ]
    assert sizes == [1000, 1000, 250, 333]
