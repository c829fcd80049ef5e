# %% [markdown]
# # Your own table
#
# An autoencoder is a table: a list of rows for the encoder and one for the decoder. `Stack.of`
# works out the shapes and refuses a row that does not fit.

# %%
import os
import tempfile

import keras_mnist_ae as kae
from keras_mnist_ae import Recipe, Stack, Variant
from keras_mnist_ae.architecture import Conv, ConvTranspose, Dense, Flatten, Unflatten
from keras_mnist_ae.errors import UsageError

os.chdir(tempfile.mkdtemp())

# %% [markdown]
# Shapes are channels x height x width. `k` is the kernel, `s` the stride, `p` the zeros on every
# side.

# %%
encoder = Stack.of(
    (1, 28, 28),
    Conv(1, 16, k=3, s=2, p=1, act="relu"),
    Flatten(),
    Dense(16 * 14 * 14, 24),
)
decoder = Stack.of(
    (24,),
    Dense(24, 16 * 14 * 14, act="relu"),
    Unflatten(16, 14, 14),
    ConvTranspose(16, 1, k=4, s=2, p=1, act="sigmoid"),
)
small = Variant(
    "small",
    "one convolution and one dense layer each way",
    encoder,
    decoder,
    encoder.parameters + decoder.parameters,
    Recipe(6, 32, 1e-3),  # epochs, batch size, learning rate
)
small.latent, small.parameters

# %% [markdown]
# A row that does not fit is named, with what would fit.

# %%
try:
    Stack.of((1, 28, 28), Conv(1, 16, k=3, s=2, p=1), Conv(8, 32, k=3))
except (UsageError, ValueError) as error:
    print(error)

# %% [markdown]
# `kae.build` makes the untrained Keras model, `kae.train` trains it.

# %%
model = kae.build(small)
model.encoder.output_shape, model.count_params()

# %%
run = kae.train(small, dataset="digits", runs_dir="runs", name="small")
run.metrics["test_mse"]

# %% [markdown]
# The run keeps its table as TOML, which `kae train --table` takes.

# %%
print((run.path / "variant.toml").read_text(encoding="utf-8"))
