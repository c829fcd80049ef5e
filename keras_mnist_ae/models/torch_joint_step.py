"""What the processes of a group exchange at each step: one vector, summed over all of them."""

import signal
from typing import NamedTuple

import torch
from torch import Tensor

from ..system import processes, signals
from ..system.group import Group


class Joint(NamedTuple):
    """Gradients, loss and terms of a variational loss (means over the images) of a whole batch."""

    gradients: list[Tensor | None]
    loss: Tensor
    terms: tuple[Tensor, ...]


class JointStep:
    """The sum over processes of one vector: gradients, loss, terms, and for each process the number
    of the signal that it was sent, so that all stop after the same batch.

    The gradients come back in the memory order of the parameters, as views of that vector.
    """

    def __init__(self, group: Group, parameters: list[Tensor]) -> None:
        self.group = group
        self._parameters = parameters
        self._size = sum(parameter.numel() for parameter in parameters)
        self._vector = parameters[0].new_empty(0)
        self._views: list[Tensor] = []

    def __call__(self, gradients: list[Tensor | None], loss: Tensor, terms: tuple[Tensor, ...] = ()) -> Joint:
        """Args:
        gradients: of this part's loss times its share of the images; [] where none are needed.
        loss: the mean over this part.
        terms: of each image of this part.
        """
        group, weight = self.group, self.group.share.weight
        begin = self._size if gradients else 0
        self._prepare(begin + 1 + len(terms) + group.size)
        vector = self._vector
        known = [at for at, gradient in enumerate(gradients) if gradient is not None]
        for at, gradient in enumerate(gradients):
            if gradient is None:
                self._views[at].zero_()
            else:
                self._views[at].copy_(gradient)
        vector[begin] = loss * weight
        for at, term in enumerate(terms):
            vector[begin + 1 + at] = term.mean() * weight
        flags = vector[begin + 1 + len(terms) :]
        flags.zero_()
        sent = signals.received() or (signal.SIGTERM if processes.abandoned() else 0)
        if sent:
            flags[group.rank] = sent
        group.total(vector)
        if stop := int(flags.max()):
            signals.agree(stop)
        return Joint(
            [self._views[at] if at in known else None for at in range(len(gradients))],
            vector[begin].clone(),
            tuple(vector[begin + 1 : begin + 1 + len(terms)].clone()),
        )

    def _prepare(self, length: int) -> None:
        """A vector of that length, and views of it as the parameters."""
        if len(self._vector) == length:
            return
        self._vector, begin = self._parameters[0].new_empty(length), 0
        self._views = []
        for parameter in self._parameters if length > self._size else ():
            order = torch.empty_like(parameter).stride()
            self._views.append(self._vector.as_strided(parameter.shape, order, begin))
            begin += parameter.numel()
