"""Memory of a step on JAX' processor device, kept from one step to the next.

XLA takes one block for all that is between the images and the new weights, and gives it back after
each step. Blocks of that size come fresh from the system, which clears each page at its first use:
that took a quarter of a step's time of conv-best, two fifths of conv-unpool's.
"""

import ctypes
import os
import platform
from typing import Any

# Of glibc's mallopt: https://man7.org/linux/man-pages/man3/mallopt.3.html
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
KEPT = 2**30  # bytes of freed memory that stay with the process


def keep() -> None:
    """Let freed memory stay with this process, and steps run in the calling thread, since other
    threads of glibc have heaps too small for it. It must be called before JAX first computes. Where
    MALLOC_... or GLIBC_TUNABLES says otherwise, or on another system, nothing is changed.
    """
    chosen = [name for name in os.environ if name.startswith("MALLOC_") or name == "GLIBC_TUNABLES"]
    if chosen or platform.libc_ver()[0] != "glibc" or "JAX_CPU_ENABLE_ASYNC_DISPATCH" in os.environ:
        return
    import jax

    mallopt = ctypes.CDLL(None).mallopt
    if mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, KEPT):
        jax.config.update("jax_cpu_enable_async_dispatch", False)


def at_hand(arrays: Any) -> Any:
    """The same arrays on the device, all copied: a step that has to wait for one would run in
    another thread.
    """
    import jax

    if jax.config.read("jax_cpu_enable_async_dispatch") or jax.default_backend() != "cpu":
        return arrays
    return jax.block_until_ready(jax.device_put(arrays))
