"""What only Python can give to a training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..runs.config import TrainConfig


@dataclass(frozen=True)
class Extras:
    """Keras callbacks, an optimizer in place of Adam, a loss in place of the mean squared error."""

    callbacks: Sequence[Any] = ()
    optimizer: Any = None
    loss: Any = None

    def check(self, config: TrainConfig) -> None:
        """Raise `UsageError` where a setting is for what these stand in place of."""
        if config.ema and self.optimizer is not None:
            raise UsageError(
                f"ema is for Adam; give your optimizer use_ema=True and ema_momentum={config.ema:g} instead"
            )

    def names(self) -> dict[str, str]:
        """What the run's environment tells of them."""
        names = {
            "callbacks": ", ".join(type(each).__name__ for each in self.callbacks),
            "optimizer": type(self.optimizer).__name__ if self.optimizer is not None else "",
            "loss": _name(self.loss) if self.loss is not None else "",
        }
        return {name: value for name, value in names.items() if value}


def _name(loss: Any) -> str:
    return loss if isinstance(loss, str) else str(getattr(loss, "__name__", type(loss).__name__))
