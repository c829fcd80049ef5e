# %% [markdown]
# # First run
#
# Train an autoencoder on the handwritten digits inside scikit-learn, look at its errors, and use
# its encoder and decoder. Nothing is downloaded. Everything is written below a new folder.

# %%
import os
import tempfile

import keras_mnist_ae as kae
from keras_mnist_ae import datasets

os.chdir(tempfile.mkdtemp())

# %% [markdown]
# `kae.train` takes the same settings as `kae train` and gives a `Run`: a folder that holds the
# settings, the history, the model and its errors. `conv-k16` has three convolutions each way; its
# code has 64 numbers.

# %%
run = kae.train("conv-k16", dataset="digits", epochs=8, runs_dir="runs", name="first")
sorted(path.name for path in run.path.glob("[!.]*"))

# %% [markdown]
# The error is the mean squared error per pixel, with pixels in [0, 1].

# %%
run.history["loss"], run.metrics["test_mse"]

# %% [markdown]
# `kae.evaluate` measures more: RMSE, MAE, PSNR and SSIM with intervals, by class, and beside a PCA
# with as many components as the code has numbers. It gives a dictionary that prints as a table.

# %%
errors = kae.evaluate(run)
print(errors)

# %% [markdown]
# The model is a Keras model with an `encoder` and a `decoder`.

# %%
images = datasets.load("digits").test.images / 255  # (360, 28, 28, 1) in [0, 1]
codes = run.model.encoder.predict(images, verbose=0)
reconstructions = run.model.decoder.predict(codes, verbose=0)
codes.shape, reconstructions.shape

# %% [markdown]
# Ten test images and their reconstructions:

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(2, 10, figsize=(8, 1.8))
for column in range(10):
    axes[0, column].imshow(images[column, ..., 0], cmap="gray", vmin=0, vmax=1)
    axes[1, column].imshow(reconstructions[column, ..., 0], cmap="gray", vmin=0, vmax=1)
for axis in axes.flat:
    axis.axis("off")

# %% [markdown]
# The same from a shell:
#
# ```
# kae train conv-k16 --dataset digits --epochs 8 --name first
# kae evaluate first
# kae report first
# ```
