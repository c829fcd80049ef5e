"""A checkpoint at the end of a finished run, from which more epochs can go on."""

import math

import keras
import numpy as np

from ..models.build import build
from ..runs.checkpoints import Checkpoint
from ..runs.config import TrainConfig
from ..runs.folder import Run
from .callbacks import state
from .optimizer import adam


def checkpoint_of(run: Run, config: TrainConfig, done: int) -> Checkpoint:
    """The weights of the finished model, and the moments of Adam at zero; the learning rate is that
    of the schedule for all epochs at this step. The averages of the weights start from them.
    """
    model = build(run.variant, config.seed)
    for variable, trained in zip(model.weights, run.model.weights, strict=True):
        variable.assign(trained)
    images = int(run.environment["train_images"]) - config.validation
    model.compile(optimizer=adam(config, images), loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(done * math.ceil(images / config.batch_size))
    if config.ema:
        for average, weight in zip(
            model.optimizer._model_variables_moving_average, model.trainable_variables, strict=True
        ):
            average.assign(weight)
    arrays = [np.array(keras.ops.convert_to_numpy(variable)) for variable in state(model)]
    return Checkpoint(done, 0, 0.0, run.history, arrays)
