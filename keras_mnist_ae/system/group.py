"""Several processes that train one model together on torch: how they find each other, what they
tell each other, and what becomes of the others when one ends.
"""

import itertools
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..errors import DataError, LostProcessError, UsageError
from . import processes, signals
from .share import Share

if TYPE_CHECKING:
    from torch import Tensor

CONNECT = 45.0  # seconds within which all have come
COLLECTIVE = 1200.0  # seconds that one waits for the others within a step, or for the first to write
SPOKEN = 2.0  # seconds in which the first process, which knows most, may say why all end
OFTEN = 0.02  # seconds between two looks into the store

_joined: "Group | None" = None
_numbers = itertools.count()


class Group:
    """The processes of one training. `rank` is the number of this one, from 0, of `size`.

    Words go through the store of torch.distributed as JSON, numbers through its collectives.
    """

    def __init__(self, store: Any, rank: int, size: int) -> None:
        self._store, self.rank, self.size = store, rank, size
        self.share = Share(rank, size)
        self.members: list[dict[str, Any]] = []  # host, device and card of each

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def total(self, tensor: "Tensor") -> None:
        """Replace the tensor by its sum over all processes; every one gets the same bits."""
        import torch.distributed as dist

        self._collectively(dist.all_reduce, tensor)

    def copy(self, tensor: "Tensor") -> None:
        """Replace the tensor by that of the first process."""
        import torch.distributed as dist

        self._collectively(dist.broadcast, tensor, 0)

    def tell(self, name: str, value: Any) -> None:
        """Say something that the others ask for by its name."""
        with self._heard():
            self._store.set(name, json.dumps(value))

    def ask(self, name: str, within: float | None = None) -> Any:
        """What one of the others tells under that name, when it does.

        Raises `TimeoutError` after so many seconds, and `LostProcessError` when one has failed.
        """
        until = time.monotonic() + within if within else None
        while True:
            with self._heard():
                if self._store.check([name]):
                    return json.loads(self._store.get(name))
                if self._store.check(["failed"]):
                    raise lost(self.size)
            if until and time.monotonic() > until:
                raise TimeoutError
            signals.check()
            time.sleep(OFTEN)

    def gather(self, name: str, value: Any, within: float | None = None) -> list[Any]:
        """What each process says under that name, in their order."""
        self.tell(f"{name}/{self.rank}", value)
        return [self.ask(f"{name}/{rank}", within) for rank in range(self.size)]

    def check_data(self, name: str, sha256: str) -> None:
        """Raise `DataError` in all processes where one of them has read other data than the
        first.
        """
        for rank, found in enumerate(shas := self.gather("data", sha256)):
            if found != shas[0]:
                raise DataError(
                    f"process {rank + 1} of {self.size}, on {self.members[rank]['host']}, has read other "
                    f"data: {name} has sha256 {found:.12} there, and {shas[0]:.12} in the first.\n"
                    "Give all of them the same files."
                )

    def may_speak(self) -> bool:
        """Whether it is this process that says why all end: the first, unless another's own
        failure was said before.
        """
        signals.leave()
        until = time.monotonic() + (0 if self.first else SPOKEN)
        try:
            self._store.set("failed", "true")
            while time.monotonic() < until and not self._store.check(["spoken"]):
                time.sleep(OFTEN)
            return bool(self._store.add("spoken", 1) == 1)
        except RuntimeError:  # the store went with the process that held it, the first
            return self.rank == 1

    def end(self) -> None:
        """Wait until the first process has written the run, which waits until all know it."""
        if not self.first:
            self.ask("written")
            with suppress(RuntimeError):
                self._store.add("left", 1)
            return
        self.tell("written", True)
        until = time.monotonic() + 10
        with suppress(RuntimeError):
            while self._store.add("left", 0) < self.size - 1 and time.monotonic() < until:
                time.sleep(OFTEN)

    def _collectively(self, collective: Any, *arguments: Any) -> None:
        try:
            collective(*arguments)
        except RuntimeError as error:
            raise lost(self.size) from error

    @contextmanager
    def _heard(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise lost(self.size) from error


def lost(size: int) -> LostProcessError:
    """The failure of a process whose companions are gone."""
    remedy = signals.remedy()
    return LostProcessError(
        f"one of the {size} processes has ended, and training ends with it"
        + (f".\nTo go on from the newest checkpoint: {remedy}" if remedy else "")
    )


def joined() -> Group | None:
    """The group that this process is in."""
    return _joined


@contextmanager
def together() -> Iterator[Group | None]:
    """A context in which the processes that a launcher has started are a group; None without a
    launcher. At its end all wait for the first.

    Raises:
        UsageError: They do not find each other.
        LostProcessError: One of them has ended.
    """
    global _joined
    if processes.count() == 1:
        yield None
        return
    _joined = _join()
    yield _joined
    _joined.end()
    _joined = None


def _join() -> Group:
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    rank, size = processes.rank(), processes.count()
    place = f"{os.environ.get('MASTER_ADDR', '')}:{os.environ.get('MASTER_PORT', '')}"
    if not all(os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT")):
        raise UsageError(
            f"WORLD_SIZE says {size} processes, but not where they meet (MASTER_ADDR, MASTER_PORT).\n"
            "Start them with kae train --processes N or torchrun; or unset WORLD_SIZE."
        )
    card = torch.cuda.is_available()
    if card:
        torch.cuda.set_device(processes.local_rank() % torch.cuda.device_count())
    began = time.monotonic()
    try:
        if dist.is_initialized():
            store = dist.distributed_c10d._get_default_store()
        else:
            store = next(rendezvous("env://", timeout=timedelta(seconds=CONNECT)))[0]
        group = Group(PrefixStore(f"kae/{next(_numbers)}", store), rank, size)
        left = max(1.0, CONNECT + 5 - (time.monotonic() - began))
        group.members = group.gather("here", _here(card), within=left)
        if not dist.is_initialized():
            cards = [member["card"] for member in group.members]
            alone = all(cards) and len(set(cards)) == size  # two on one card: NCCL refuses that
            dist.init_process_group(
                "nccl" if alone else "gloo", store=PrefixStore("kae", store), rank=rank,
                world_size=size, timeout=timedelta(seconds=left),
            )  # fmt: skip
            dist.distributed_c10d._set_pg_timeout(timedelta(seconds=COLLECTIVE))
    except (RuntimeError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"process {rank + 1} of {size} (RANK={rank}) cannot reach the others: they meet at {place}, "
            f"where not all came within {CONNECT:.0f} s.\n"
            "Are all of them started, is that address the first one's, and may they connect?"
        ) from error
    return group


def _here(card: bool) -> dict[str, Any]:
    if not card:
        return {"host": socket.gethostname(), "device": "cpu", "card": None}
    import torch

    properties: Any = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {"host": socket.gethostname(), "device": properties.name, "card": str(properties.uuid)}
