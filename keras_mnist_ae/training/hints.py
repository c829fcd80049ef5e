"""What is said before a training whose outcome can be foreseen."""

from math import ceil, prod

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
MUCH_OF_THE_FIRST = 0.02  # of the averaged weights


def before_training(config: TrainConfig, variant: Variant, data: Dataset) -> None:
    """Say how much memory a step takes where it is much, and that test images choose the epoch
    where none are kept for that, or that the average of the weights holds much of the first; hint
    at --invert where images are dark on light and the variant is made for the reverse.
    """
    if config.patience and not config.validation:
        said = "kae: the test images choose the epoch, since none are kept out: --validation N keeps some"
        say(worded(said))
    steps = config.epochs * ceil((len(data.train.images) - config.validation) / config.batch_size)
    if (first := config.ema**steps) > MUCH_OF_THE_FIRST and config.ema:
        line = (
            f"kae: after {steps:,} steps the average of the weights is to {first:.0%} those of the first: "
            "a lower --ema, or more --epochs"
        )
        say(worded(line))
    if (size := memory(variant, config.batch_size, config.importance)) >= MUCH:
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


def memory(variant: Variant, batch_size: int, importance: int = 1) -> int:
    """Bytes that a training step takes at its peak, by estimate, besides the program itself: the
    outputs that the backward pass needs, and the weights with their gradients and Adam's moments.
    The decoder has `importance` codes an image.
    """
    numbers = 0
    for stack, times in ((variant.encoder, 1), (variant.decoder, importance)):
        for step in stack:
            kept = 1
            if isinstance(step.layer, Conv | ConvTranspose | Dense):
                kept += step.layer.norm + (step.layer.act is not None)
            elif isinstance(step.layer, Add):
                kept += step.layer.act is not None
            numbers += times * kept * prod(step.output)
    return round(4 * (BESIDE * batch_size * numbers + 4 * variant.parameters))
