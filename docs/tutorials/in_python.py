# %% [markdown]
# # Everything from Python
#
# What the command does has a function, and most of it a method of `Run`. Results print as tables,
# and are dictionaries.

# %%
import os
import tempfile

import keras
import numpy as np

import keras_mnist_ae as kae

os.chdir(tempfile.mkdtemp())

# %% [markdown]
# ## Data
#
# A dataset is a name, a path, an array of images, a PyTorch `Dataset`, a `tf.data.Dataset` or a
# `kae.Dataset`.

# %%
from keras_mnist_ae import datasets

digits = datasets.load("digits")
digits

# %%
dark = kae.Dataset.from_arrays(digits.train.images[:400], digits.test.images[:100], name="some digits")
dark

# %% [markdown]
# ## Variants

# %%
kae.VARIANTS["mlp"]

# %% [markdown]
# ## Training
#
# Settings are arguments. Keras callbacks are taken as they are.

# %%
losses = []
look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
run = kae.train("mlp", "digits", epochs=30, validation=200, callbacks=[look], runs_dir="runs", name="first")
run

# %%
assert losses == run.history["loss"]
run.verdict

# %% [markdown]
# ## What it is worth

# %%
run.evaluate()

# %%
run.latent()

# %%
run.cluster(seeds=2)

# %% [markdown]
# The model encodes, decodes and reconstructs arrays of any layout: uint8, float, with or without
# channels.

# %%
codes = run.model.encode(digits.test.images[:5])
codes.shape, run.model.decode(codes).shape

# %%
np.square(run.predict(digits.test.images) - digits.test.images / 255).mean(), run.metrics["test_mse"]

# %% [markdown]
# ## New images, and paths between images

# %%
run.generate(16)["figure"]

# %%
run.interpolate(0, 1)["figure"]

# %% [markdown]
# ## Going on
#
# A finished run goes on to more epochs; another one starts from its weights.

# %%
run = run.resume(epochs=32, inexact=True)
len(run.history["loss"])

# %%
other = kae.train("mlp", dark, epochs=3, init="runs/first", runs_dir="runs", name="second")
other.metrics["test_mse"]

# %% [markdown]
# ## A model that was fitted by hand
#
# `kae.build` gives a Keras model; a run made of it has all of the above.

# %%
keras.utils.set_random_seed(0)
model = kae.build("mlp", latent_dim=16)
model.compile(optimizer="adam", loss="mse")
history = model.fit(digits.train.images / 255, epochs=15, verbose=0)
history.history["loss"][-1]

# %%
by_hand = kae.Run.from_model(model, "digits", runs_dir="runs", name="by-hand", history=history)
by_hand.evaluate()["mse"]

# %% [markdown]
# The encoder is a Keras model as well: the start of a classifier, here with its weights frozen.

# %%
encoder = run.model.encoder
encoder.trainable = False
classifier = keras.Sequential([encoder, keras.layers.Dense(10, "softmax")])
classifier.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
fitted = classifier.fit(digits.train.images / 255, digits.train.labels, epochs=20, verbose=0)
fitted.history["accuracy"][-1]

# %% [markdown]
# ## All runs

# %%
kae.runs("runs")

# %%
run.compare()

# %%
best = kae.load("runs/first")
best.metrics["test_mse"]

# %% [markdown]
# ## Handing on
#
# ONNX graphs that were proved equal to the Keras model, a report and a page for the browser in one
# file each, and a folder to publish.

# %%
folder = run.export_onnx()
sorted(path.name for path in folder.iterdir())

# %%
graphs = kae.load(folder)
np.abs(graphs.encode(digits.test.images[:5]) - run.model.encode(digits.test.images[:5])).max()

# %%
run.report().name, run.explore().name

# %%
kae.publish(run, "published", licence="mit")
kae.load("published").encode(digits.test.images[:5]).shape
