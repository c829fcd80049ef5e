"""Starting this program as several processes of one machine, by torch's own launcher."""

import logging
import os
import sys

from .notes import say
from .workers import cores

STOP = 15  # seconds in which a process may end by itself once another has: 30 before torch 2.12


def fitting(backend: str, device: str) -> int:
    """How many processes suit this machine: one for each CUDA card that torch sees; on JAX how many
    devices, its cards. Without a card one, whose threads were the faster wherever the two were
    compared.
    """
    cards, what = 0, "processes"
    if backend == "torch" and device != "cpu":
        import torch

        cards = torch.cuda.device_count()
    if backend == "jax" and device != "cpu":
        import jax

        cards, what = len(jax.local_devices()) if jax.default_backend() != "cpu" else 0, "devices"
    say(f"kae: {cards} {what}, one for each card" if cards > 1 else "kae: one process")
    return max(1, cards)


def launch(arguments: list[str], count: int) -> int:
    """Run the command with these arguments in so many processes; the exit code of the first that
    failed, 0 when none did. A signal goes to all of them.
    """
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if count > cores():
        say(f"kae: {count} processes share {cores()} processors")
    logging.disable(logging.CRITICAL)  # of what a process ends with, it tells in its own words
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(STOP))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // count)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="kae",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",  # the name of this machine may mean nothing to it
        max_restarts=0,
        monitor_interval=0.1,
        logs_specs=DefaultLogsSpecs(),
    )
    try:
        elastic_launch(config, sys.executable)("-m", "keras_mnist_ae", *arguments)
    except ChildFailedError as error:
        first = min(error.failures.values(), key=lambda failure: failure.timestamp)
        return first.exitcode if first.exitcode > 0 else 128 - first.exitcode
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0
