# %% [markdown]
# # Exporting and running
#
# An export is a folder of ONNX graphs: encoder, decoder and autoencoder. They run with numpy and
# onnxruntime alone, without Keras and without a backend.

# %%
import os
import tempfile

import numpy as np
import onnxruntime

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.export.runtime import OnnxAutoencoder

os.chdir(tempfile.mkdtemp())
run = kae.train("mlp", dataset="digits", epochs=3, runs_dir="runs", name="export")

# %% [markdown]
# Before anything is written, the graphs are compared with the Keras model on the test images. An
# export that differs from the model is never written.

# %%
folder = kae.export_onnx(run)
{path.name: path.stat().st_size for path in sorted(folder.iterdir())}

# %% [markdown]
# `OnnxAutoencoder` takes uint8 images or floats in [0, 1], channels last.

# %%
images = datasets.load("digits").test.images
exported = OnnxAutoencoder(folder)
codes = exported.encode(images)
reconstructions = exported.decode(codes)
codes.shape, reconstructions.shape

# %% [markdown]
# The difference from Keras is that of rounding:

# %%
keras_codes = run.model.encoder.predict(images / 255, verbose=0)
float(np.abs(codes - keras_codes).max())

# %% [markdown]
# Without this package the graphs are run by onnxruntime. Their images have the channels first.

# %%
session = onnxruntime.InferenceSession(folder / "encoder.onnx")
batch = (images / 255).astype(np.float32).transpose(0, 3, 1, 2)
(again,) = session.run(["latent"], {"image": batch})
float(np.abs(codes - again).max())

# %% [markdown]
# The precision int8 makes the files smaller; the error of the reconstructions may rise by 2 %.

# %%
small = kae.export_onnx(run, precision="int8")
{path.name: path.stat().st_size for path in sorted(small.iterdir())}
