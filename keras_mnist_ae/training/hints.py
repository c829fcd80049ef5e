"""What is said before a training whose outcome can be foreseen."""

from math import prod

import numpy as np

from ..architecture.layers import Add, Conv, ConvTranspose, Dense
from ..architecture.shapes import text
from ..architecture.variant import Variant
from ..architecture.variants import VARIANTS
from ..datasets.dataset import Dataset
from ..errors import worded
from ..runs.config import TrainConfig
from ..system.notes import say

LIGHT_ON_DARK = ("conv-avgpool", "conv-k15", "conv-k16", "conv-unpool", "mlp")
MUCH = 2**29  # bytes of a step
BESIDE = 1.5  # bytes at the peak of a step for each byte that its rows give: measured on torch
LOOKED_AT = 256  # images
BRIGHT = 128


def before_training(config: TrainConfig, variant: Variant, data: Dataset) -> None:
    """Say how much memory a step takes where it is much, and that test images choose the epoch
    where none are kept for that; hint at --invert where images are dark on light and the variant is
    made for the reverse.
    """
    if config.patience and not config.validation:
        said = "kae: the test images choose the epoch, since none are kept out: --validation N keeps some"
        say(worded(said))
    if (size := memory(variant, config.batch_size)) >= MUCH:
        say(
            f"kae: a step on {config.batch_size} images of {text(variant.image)} takes about "
            f"{size / 2**30:.1f} GB of memory (a smaller --batch-size takes less)"
        )
    made_for = variant.name in LIGHT_ON_DARK and variant == VARIANTS.get(variant.name)
    if not made_for or config.invert:
        return
    if np.median(data.train.images[:LOOKED_AT]) >= BRIGHT:
        line = (
            f"kae: most pixels are bright, but {variant.name} was made for light on dark: "
            "--invert exchanges black and white"
        )
        say(worded(line))


def memory(variant: Variant, batch_size: int) -> int:
    """Bytes that a training step takes at its peak, by estimate, besides the program itself: the
    outputs that the backward pass needs, and the weights with their gradients and Adam's moments.
    """
    numbers = 0
    for stack in (variant.encoder, variant.decoder):
        for step in stack:
            kept = 1
            if isinstance(step.layer, Conv | ConvTranspose | Dense):
                kept += step.layer.norm + (step.layer.act is not None)
            elif isinstance(step.layer, Add):
                kept += step.layer.act is not None
            numbers += kept * prod(step.output)
    return round(4 * (BESIDE * batch_size * numbers + 4 * variant.parameters))
