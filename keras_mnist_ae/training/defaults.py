"""Settings that follow from the data, where they are not given."""

import dataclasses
from math import prod
from typing import Any

from ..analysis.sameness import harmless
from ..architecture import recipes
from ..architecture.families import FAMILIES
from ..datasets.augment import NONE, augmentation
from ..datasets.dataset import Dataset
from ..datasets.frameworks import IN_MEMORY
from ..datasets.user_files import is_path
from ..errors import worded
from ..runs.config import TrainConfig
from ..system.hints import counted
from ..system.notes import say

SMALLEST_BATCH = 4
BATCHES = 16  # in an epoch, at least
SMALL = 2000  # training images: fewer are changed at random, where that leaves them what they are
STEPS = 500  # of a training, at least: a small set is over-fitted by more
AUGMENTED_STEPS = 1500  # the same of images that are changed at random, which are not
PIXELS = 2**28  # that such a training goes through at most, beyond the steps of the others
MOST_EPOCHS = 500


def settled(config: TrainConfig, data: Dataset) -> TrainConfig:
    """The config with the validation split of the data, and for a small set of one's own with
    smaller batches, more epochs and random changes of the images, where these are not given. One
    line says which.
    """
    changes: dict[str, Any] = {}
    validation = max(config.validation, data.validation)
    if validation != config.validation:
        changes["validation"] = validation
        if config.validation:
            say(f"kae: all {validation:,} images of the validation split are kept out of training")
    images = len(data.train.images) - validation
    own = is_path(config.dataset) or data.name == IN_MEMORY
    epochs, batch_size, augment = config.epochs, config.batch_size, config.augment
    if "batch_size" not in config.given:  # large images come in smaller batches than small ones
        recipe = recipes.find(config.architecture(data.image_shape), config.recipe)
        batch_size = min(batch_size, recipe.batch_size)
    if "batch_size" not in config.given and (batch_size > images or own):
        batch_size = min(batch_size, max(SMALLEST_BATCH, images // BATCHES), images)
    if augment is None and own and images < SMALL and config.variant in FAMILIES:
        augment = str(harmless(data.train.images[:images]))
        changes["augment"] = augment
    if "epochs" not in config.given and own:
        wanted = STEPS
        if augmentation(augment or NONE):
            affordable = PIXELS // (batch_size * prod(data.image_shape[1:]))
            wanted = min(AUGMENTED_STEPS, max(STEPS, affordable))
        steps = -(-images // batch_size)
        epochs = min(max(epochs, -(-wanted // steps)), MOST_EPOCHS)
    if (epochs, batch_size) != (config.epochs, config.batch_size) or "augment" in changes:
        changes |= {"epochs": epochs, "batch_size": batch_size}
        line = f"kae: {images:,} training images: {counted(epochs, 'epoch')} in batches of {batch_size}"
        others = "--epochs and --batch-size choose"
        if "augment" in changes:
            line += f", augment {augment}"
            others = "--epochs, --batch-size and --augment choose"
        say(worded(f"{line} ({others} others)"))
    return dataclasses.replace(config, **changes) if changes else config
