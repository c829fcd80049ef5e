# %% [markdown]
# # What does not belong
#
# Train on normal pictures alone, set a threshold that keeps a promise, and list what is strange.
# The pictures are scikit-learn's handwritten digits: eights are normal, everything else is not.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.errors import KaeError
from keras_mnist_ae.export.runtime import OnnxAutoencoder

os.chdir(tempfile.mkdtemp())
digits = datasets.load("digits")

# %% [markdown]
# ## A folder of pictures
#
# `train` holds normal pictures in one class, `good`; `test` holds further normal ones and others.
# This is the layout of MVTec AD, and a folder of your own can replace it.


# %%
def save(images, folder):
    Path(folder).mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(Path(folder, f"{number:03}.png"))


images = np.concatenate([digits.train.images, digits.test.images])
labels = np.concatenate([digits.train.labels, digits.test.labels])
eights = np.random.default_rng(0).permutation(images[labels == 8])
save(eights[:140], "parts/train/good")
save(eights[140:], "parts/test/good")
save(images[labels == 3][:20], "parts/test/three")
save(images[labels == 9][:20], "parts/test/nine")

# %% [markdown]
# ## Train on what is normal
#
# `validation` keeps pictures out of training: the threshold needs normal ones that the network has
# not seen.

# %%
run = kae.train(
    "conv", "./parts", latent_dim=8, validation=40, epochs=60, batch_size=20, runs_dir="runs", name="parts"
)
run

# %% [markdown]
# ## Choose the share of false alarms
#
# The threshold is the ceil((n + 1)(1 - a))-th smallest score of the n pictures kept out. Of further
# normal pictures at most the share a is flagged, in expectation, whatever they look like, as long
# as they come from where these came from. That is why the eights were shuffled above: in the order
# of the file the last ones are by other writers, and more of them would be flagged.
#
# How small may a be? It takes at least 1 / a - 1 pictures: 40 are enough for a = 0.025, and too few
# for 0.01.

# %%
try:
    kae.calibrate(run, 0.01)
except KaeError as error:
    print(error)

# %%
kae.calibrate(run, 0.05)

# %% [markdown]
# ## Score
#
# The classes of the test pictures say what is normal, so that the ranking is measured as well:
# beside a PCA and nearest neighbours, which need no training.

# %%
result = kae.score(run, "./parts", normal="good")
result

# %% [markdown]
# The strangest, with the share of normal pictures that are at least as strange:

# %%
for name, kind, score, p_value, flagged in result.rows[:5]:
    print(f"{name:24} {kind:5} {score:8.3g}  p = {p_value:.3f}  {'flagged' if flagged else ''}")

# %% [markdown]
# What another share would cost: how many of the normal and of the strange test pictures are
# flagged. Fewer false alarms find fewer faults; with 1,000 pictures a day, 0.05 means 50 to look at
# in vain.

# %%
for share in (0.025, 0.05, 0.1, 0.2):
    kae.calibrate(run, share)
    result = kae.score(run, "./parts", normal="good")
    strange = [row for name, row in result["classes"].items() if name != "good"]
    found = sum(row["flagged"] for row in strange) / sum(row["n"] for row in strange)
    print(f"a = {share:5}: {result['false_alarms']:6.1%} of the normal flagged, {found:6.1%} of the strange")

# %% [markdown]
# ## Where is it strange?
#
# `maps` writes a picture of each of the strangest: the image, its reconstruction, and the squared
# error of each pixel as heat, on one scale. `output` writes a row an image.

# %%
kae.calibrate(run, 0.05)
kae.score(run, "./parts", normal="good", maps="maps", output="scores.csv", top=3)
maps = sorted(Path("maps").iterdir())
[path.name for path in maps]

# %%
Image.open(maps[0]).convert("RGB")

# %% [markdown]
# ## Without Keras
#
# An export takes the calibration along. It scores with numpy and onnxruntime alone.

# %%
run.export_onnx()
graphs = OnnxAutoencoder("runs/parts/onnx")
nines = np.stack([np.asarray(Image.open(path)) for path in sorted(Path("parts/test/nine").iterdir())])
print(f"flagged: {graphs.flag(nines).sum()} of {len(nines)} nines; map {graphs.error_map(nines).shape}")
