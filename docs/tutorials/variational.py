# %% [markdown]
# # A variational autoencoder
#
# `vae-mlp` and `vae-conv` are variational (Kingma and Welling 2014): the encoder gives the mean and
# the logarithm of the variance of a code, and training minimises the negative evidence lower bound
# in nats per image.

# %%
import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import keras_mnist_ae as kae

os.chdir(tempfile.mkdtemp())
run = kae.train(
    "vae-mlp", dataset="digits", latent_dim=8, epochs=5, batch_size=32, runs_dir="runs", name="vae"
)

# %% [markdown]
# The two terms of the bound stand in the history beside their sum. `beta` weighs the second one;
# `kl_warm_up` lets its weight rise from 0.

# %%
{name: values[-1] for name, values in run.history.items()}

# %% [markdown]
# `kae.evaluate` adds the bound on the test images to the errors of the reconstructions.

# %%
kae.evaluate(run)["evidence"]

# %% [markdown]
# New images are decoded from codes of the standard normal distribution, the prior. Beside each
# stands the training image that is nearest to it, and the median distance is compared with that of
# test images: a distance far below it would mean copies.

# %%
generated = kae.generate(run, 16)
generated["nearest_rmse"], generated["test_nearest_rmse"]

# %%
images = np.clip(run.model.decoder.predict(np.random.default_rng(0).normal(size=(10, 8)), verbose=0), 0, 1)
figure, axes = plt.subplots(1, 10, figsize=(8, 1))
for axis, image in zip(axes, images, strict=True):
    axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
    axis.axis("off")
