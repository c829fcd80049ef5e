"""Stopping when the validation error no longer falls, with the best epoch's weights."""

from contextlib import nullcontext
from typing import Any

import keras
import numpy as np

from ..datasets.images import Images
from ..runs import checkpoints
from ..runs.folder import Run
from .averages import averaged
from .callbacks import History


class Patience(keras.callbacks.Callback):
    """Keras' EarlyStopping on `val_loss`, which goes on exactly after an interruption: the epochs
    without improvement are counted in the run's history, and the best weights lie in its folder,
    from where `fit` takes them; without a run, of which another process has the folder, they are
    not kept.

    With training `images` those are the averages of the weights.
    """

    def __init__(
        self, run: Run | None, history: History, patience: int, images: Images | None = None
    ) -> None:
        super().__init__()
        self._run, self._history, self._patience, self._images = run, history, patience, images

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        losses = self._history["val_loss"]
        best = int(np.argmin(losses))
        if best == len(losses) - 1:
            if self._run is None:
                return
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()
            with nullcontext() if self._images is None else averaged(self.model, self._images):
                weights = [np.array(keras.ops.convert_to_numpy(w)) for w in self.model.weights]
            checkpoints.save_best(self._run, weights)
        elif len(losses) - 1 - best >= self._patience:
            self.model.stop_training = True
