"""Adam and its learning-rate schedule."""

import math
from typing import Any

import keras

from ..runs.config import TrainConfig

# Keras counts it as sqrt(1 - beta_2) times this: PyTorch adds it after the bias correction of the
# second moment, Keras before (the paper's "epsilon hat"), so that both are the same at the first
# step. It matters: gradients of a mean over 784 pixels are small: at 1e-8 conv-k15 never learns.
PYTORCH_EPSILON = 1e-8


class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """From 0 to `peak` over the first `warm_up` of `steps`, then back to 0 at the end of them, each
    along a line.
    """

    def __init__(self, peak: float, steps: int, warm_up: float) -> None:
        self.peak, self.steps, self.warm_up = peak, steps, warm_up

    @property
    def _rising(self) -> float:
        return max(1.0, self.steps * self.warm_up)

    @property
    def _falling(self) -> float:
        return max(self.steps - self._rising, 1e-9)  # of a single step nothing is left

    def __call__(self, step: Any) -> Any:
        step = keras.ops.cast(step, "float32")
        falling = keras.ops.relu(self.steps - step) / self._falling
        return self.peak * keras.ops.minimum((step + 1) / self._rising, falling)

    def at(self, step: int) -> float:
        """The same in plain numbers: torch, which compiles nothing, would spend half a millisecond
        on it at each step.
        """
        return self.peak * min((step + 1) / self._rising, max(self.steps - step, 0) / self._falling)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "steps": self.steps, "warm_up": self.warm_up}


def adam(config: TrainConfig, images: int) -> keras.optimizers.Adam:
    """The optimizer of a config, for so many training images."""
    steps = total_steps(config, images)
    rate = (
        WarmUpAndDecay(config.learning_rate, steps, config.warm_up)
        if config.warm_up
        else config.learning_rate
    )
    return keras.optimizers.Adam(
        rate,
        beta_2=config.beta_2,
        epsilon=PYTORCH_EPSILON * (1 - config.beta_2) ** 0.5,
        use_ema=config.ema > 0,
        ema_momentum=config.ema,
    )


def total_steps(config: TrainConfig, images: int) -> int:
    return config.epochs * math.ceil(images / config.batch_size)
