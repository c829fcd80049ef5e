"""Stopping when the validation error no longer falls, with the best epoch's weights."""

from typing import Any

import keras
import numpy as np

from ..runs import checkpoints
from ..runs.folder import Run


class Patience(keras.callbacks.Callback):
    """Keras' EarlyStopping on `val_loss`, which goes on exactly after an interruption: the epochs
    without improvement are counted in the run's history, and the best weights lie in its folder.
    """

    def __init__(self, run: Run, patience: int) -> None:
        super().__init__()
        self._run, self._patience = run, patience

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        losses = self._run.history["val_loss"]
        best = int(np.argmin(losses))
        if best == len(losses) - 1:
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()
            weights = [np.array(keras.ops.convert_to_numpy(w)) for w in self.model.weights]
            checkpoints.save_best(self._run, weights)
        elif len(losses) - 1 - best >= self._patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if weights := checkpoints.best(self._run):
            self.model.set_weights(weights)
