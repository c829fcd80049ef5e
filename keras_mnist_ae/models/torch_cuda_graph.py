"""A training step on a GPU, recorded once as a CUDA graph and replayed: one launch in place of a
hundred small ones.

The step may do nothing but compute on the device, in place, on tensors that stay where they are;
what it draws at random comes from the device's default generator, which a replay moves on.
"""

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from keras import tree

FIRST = 3  # steps that are run as they are before one is recorded: libraries set themselves up in them

Compute = Callable[[Any, Any], Any]
Record = Callable[[Callable[[], Any]], tuple[Callable[[], None], Any]]
"""From what is to be computed to its replay and to where this leaves its results. What is recorded is not computed meanwhile."""


class Recorded:
    """`compute(x, y)` for tensors, or nested tuples of them: recorded for each shape of theirs that
    comes more than a few times.

    Results stand where the recording left them, and the next call changes them. Where recording
    fails, a warning says why, and each call is computed as it is.
    """

    def __init__(self, compute: Compute, record: Record | None = None) -> None:
        self._compute = compute
        self._record = record or _cuda_graph
        self._aside: Any = None if record else torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._seen = Counter[Any]()
        self._recordings: dict[Any, tuple[Any, Callable[[], None], Any]] = {}
        self._off = False

    def __call__(self, x: Any, y: Any) -> Any:
        shapes = tuple(tuple(part.shape) for part in tree.flatten((x, y)))
        if shapes not in self._recordings and not self._off:
            self._seen[shapes] += 1
            if self._seen[shapes] <= FIRST:
                return self._on_the_side(x, y)
            self._take(shapes, x, y)
        if self._off:
            return self._compute(x, y)
        held, replay, result = self._recordings[shapes]
        for place, part in zip(tree.flatten(held), tree.flatten((x, y)), strict=True):
            place.copy_(part)
        replay()
        return result

    def _on_the_side(self, x: Any, y: Any) -> Any:
        """On a stream of its own, as what is set up for a recording has to be."""
        if self._aside is None:
            return self._compute(x, y)
        self._aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._aside):
            result = self._compute(x, y)
        torch.cuda.current_stream().wait_stream(self._aside)
        return result

    def _take(self, shapes: Any, x: Any, y: Any) -> None:
        held = tree.map_structure(torch.clone, (x, y))
        try:
            self._recordings[shapes] = (held, *self._record(lambda: self._compute(*held)))
        except RuntimeError as error:
            self._off = True
            warnings.warn(
                f"steps are not recorded, which would be faster: {str(error).splitlines()[0]}", stacklevel=2
            )


def _cuda_graph(compute: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = compute()
    return graph.replay, result
