"""A training step on a GPU, recorded once as a CUDA graph and replayed: one launch in place of a
hundred small ones.

The step must only compute on the device, in place, on tensors that keep their addresses; random
numbers come from the device's default generator, which a replay advances.
"""

import gc
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from keras import tree

FIRST = 3  # steps run without recording, in which CUDA libraries initialise

Compute = Callable[[Any, Any], Any]
Record = Callable[[Callable[[], Any]], tuple[Callable[[], None], Any]]
"""From a computation to (replay, the tensors in which each replay leaves its results)."""


class Recorded:
    """`compute(x, y)` on tensors or nested tuples of them, recorded for each combination of shapes
    that comes more than a few times.

    A call overwrites the results of the call before it. If recording fails, a warning says why and
    every call is computed without a recording.
    """

    def __init__(self, compute: Compute, record: Record | None = None) -> None:
        # the operations behind the results would tie later steps to the stream of a recording
        self._compute: Compute = lambda x, y: tree.map_structure(lambda part: part.detach(), compute(x, y))
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
        """Compute on a side stream, as CUDA asks of the steps before a recording."""
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
    gc.collect()
    collects = gc.isenabled()
    gc.disable()  # a recording breaks where the graphs of a model that is gone are freed meanwhile
    try:
        with torch.cuda.graph(graph):
            result = compute()
    finally:
        if collects:
            gc.enable()
    return graph.replay, result
