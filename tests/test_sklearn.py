"""The estimators are those of scikit-learn."""

import io

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from keras_mnist_ae.sklearn import AutoencoderDetector, AutoencoderTransformer

QUICK = {"epochs": 2, "latent_dim": 2}


@pytest.mark.slow
@parametrize_with_checks([AutoencoderTransformer(**QUICK), AutoencoderDetector(**QUICK)])
@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def test_codes_are_features_in_a_pipeline_and_a_search(digits):
    X, y = digits[0][:300], digits[1][:300]
    features = AutoencoderTransformer(latent_dim=10, image_shape=(8, 8), epochs=60)
    steps = make_pipeline(features, LogisticRegression(max_iter=2000))
    assert steps.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.5
    names = features.get_feature_names_out()
    assert list(names[:2]) == ["autoencodertransformer0", "autoencodertransformer1"]
    grid = {"autoencodertransformer__latent_dim": [2, 3]}
    search = GridSearchCV(clone(steps).set_params(autoencodertransformer__epochs=1), grid, cv=2)
    assert search.fit(X[:60], y[:60]).best_params_.keys() == grid.keys()


def test_inverse_transform_leads_back_to_rows(digits):
    X = digits[0][:200]
    model = AutoencoderTransformer(latent_dim=16, image_shape=(8, 8), epochs=100).fit(X)
    back = model.inverse_transform(model.transform(X))
    errors = np.square(back - X).mean(axis=1)
    np.testing.assert_allclose(model.score_samples(X), -errors, rtol=1e-6)
    assert errors.mean() < np.square(X - X.mean(axis=0)).mean() / 2


def test_strange_rows_are_found(digits):
    X, y = digits
    normal, strange = X[y == 0], X[y == 1]
    detector = AutoencoderDetector(image_shape=(8, 8), epochs=60, contamination=0.05).fit(normal)
    assert (detector.predict(normal) == -1).mean() == pytest.approx(0.05, abs=0.01)
    assert (detector.predict(strange) == -1).mean() > 0.9
    assert (detector.decision_function(strange) < 0).mean() > 0.9


def test_pickle_holds_weights_and_no_keras_model(digits):
    detector = AutoencoderDetector(image_shape=(8, 8), epochs=1).fit(digits[0][:50])
    stream = io.BytesIO()
    joblib.dump(detector, stream)
    assert b"keras.src" not in stream.getvalue()
    stream.seek(0)
    again = joblib.load(stream)
    rows = digits[0][:5]
    np.testing.assert_allclose(again.score_samples(rows), detector.score_samples(rows), rtol=1e-5)


def test_images_of_four_axes(digits):
    images = digits[0][:40].reshape(-1, 8, 8, 1)
    codes = AutoencoderTransformer(epochs=1).fit(images).transform(images)
    assert codes.shape == (40, 8)
    with pytest.raises(ValueError, match="image_shape is"):
        AutoencoderTransformer(image_shape=(3, 3)).fit(digits[0])
