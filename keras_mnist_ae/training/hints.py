"""What is said before a training whose outcome can be foreseen."""

import click
import numpy as np

from ..architecture.variant import Variant
from ..architecture.variants import VARIANTS
from ..datasets.dataset import Dataset
from ..errors import worded
from ..runs.config import TrainConfig

LIGHT_ON_DARK = ("conv-avgpool", "conv-k15", "conv-k16", "conv-unpool", "mlp")
LOOKED_AT = 256  # images
BRIGHT = 128


def before_training(config: TrainConfig, variant: Variant, data: Dataset) -> None:
    """Hint at --invert where images are dark on light and the variant is made for the reverse."""
    made_for = variant.name in LIGHT_ON_DARK and variant == VARIANTS.get(variant.name)
    if not made_for or config.invert:
        return
    if np.median(data.train.images[:LOOKED_AT]) >= BRIGHT:
        line = (
            f"kae: most pixels are bright, but {variant.name} was made for light on dark: "
            "--invert exchanges black and white"
        )
        click.echo(worded(line), err=True)
