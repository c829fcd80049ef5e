"""Several processes that train one model: the first has the run folder, the others its word."""

import dataclasses
from typing import Any

import keras

from ..runs.checkpoints import Checkpoint
from ..system.group import Group
from .callbacks import state


def start(group: Group | None, newest: Checkpoint | None) -> Checkpoint | None:
    """The checkpoint from which the first process goes on; in the others without its arrays, which
    `Alike` copies.
    """
    if group is None:
        return newest
    if group.first:
        group.tell("start", newest and dataclasses.asdict(dataclasses.replace(newest, arrays=[])))
        return newest
    told = group.ask("start")
    return Checkpoint(**told) if told else None


class Alike(keras.callbacks.Callback):
    """Gives every process the state of the first when training begins: weights, optimizer, metrics,
    seeds.
    """

    def __init__(self, group: Group) -> None:
        super().__init__()
        self._group: Group | None = group

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        import torch

        if group := self._group:
            with torch.no_grad():
                for tensor in (variable.value for variable in state(self.model)):
                    sent = tensor.detach().contiguous().clone()
                    sent = sent if sent.is_floating_point() else sent.to(torch.int64)
                    group.copy(sent)
                    tensor.copy_(sent)
        self._group = None
