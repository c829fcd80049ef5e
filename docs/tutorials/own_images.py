# %% [markdown]
# # Your own images
#
# A dataset is also the path of a folder of pictures, or of a .npz or .npy file. Here both are made
# from the digits, so that the page runs anywhere.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import keras_mnist_ae as kae
from keras_mnist_ae import datasets

os.chdir(tempfile.mkdtemp())
digits = datasets.load("digits")

# %% [markdown]
# A folder has `train/` and `test/`; each sub-folder is a class.

# %%
for split, images, labels in (
    ("train", digits.train.images[:200], digits.train.labels[:200]),
    ("test", digits.test.images[:50], digits.test.labels[:50]),
):
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = Path("photos", split, str(label))
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f"{number}.png")

data = datasets.load("./photos")
data.train.images.shape, data.test.images.shape, data.classes

# %% [markdown]
# `conv` makes its table for the size of the images. `resize` scales and crops them, here to 32 x 32
# pixels.

# %%
run = kae.train(
    "conv", dataset="./photos", resize="32", epochs=12, batch_size=16, runs_dir="runs", name="photos"
)
run.model.input_shape, run.metrics["test_mse"]

# %% [markdown]
# An array file holds uint8 in 0..255 or floating point in [0, 1], of shape (n, height, width) or
# (n, height, width, channels).

# %%
np.savez("images.npz", x_train=digits.train.images[:200], x_test=digits.test.images[:50])
arrays = kae.train("mlp", dataset="./images.npz", epochs=12, runs_dir="runs", name="arrays")
arrays.metrics["test_mse"]
