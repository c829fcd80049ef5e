# %% [markdown]
# # An encoder as features in scikit-learn
#
# The codes of a trained encoder are features for any classifier. Here a logistic regression on 32
# numbers stands beside one on the 784 pixels.

# %%
import os
import tempfile

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_mnist_ae as kae
from keras_mnist_ae import datasets

os.chdir(tempfile.mkdtemp())
data = datasets.load("digits")
run = kae.train("mlp", dataset="digits", epochs=15, runs_dir="runs", name="features")

# %% [markdown]
# A transformer that fits into a pipeline: training is done already, so `fit` learns nothing.


# %%
class Encoder(TransformerMixin, BaseEstimator):
    """Images (n, 28, 28, 1) in [0, 1] to codes (n, 32)."""

    def __init__(self, model):
        self.model = model

    def fit(self, images, labels=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def transform(self, images):
        return self.model.encoder.predict(images, verbose=0)


train, test = data.train.images / 255, data.test.images / 255
on_codes = make_pipeline(Encoder(run.model), StandardScaler(), LogisticRegression(max_iter=2000))
on_codes.fit(train, data.train.labels)
on_pixels = LogisticRegression(max_iter=2000).fit(train.reshape(len(train), -1), data.train.labels)

# %% [markdown]
# Accuracy on the test digits, which come mostly from other hands than the training digits:

# %%
{
    "codes": on_codes.score(test, data.test.labels),
    "pixels": on_pixels.score(test.reshape(len(test), -1), data.test.labels),
}

# %% [markdown]
# `kae.analyse` measures the same and more: neighbours, clusters, dimensions in use.

# %%
print(kae.analyse(run))
