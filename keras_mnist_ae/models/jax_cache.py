"""JAX' persistent compilation cache in the user's cache folder: a second training compiles nothing.

JAX_COMPILATION_CACHE_DIR names another folder; JAX_ENABLE_COMPILATION_CACHE=false turns it off.
"""

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

import jax

from ..system.user_cache import cache_folder

LARGEST = 2**30  # bytes: the entries unused for longest go


def enable() -> None:
    """Use the cache, unless the user has chosen a folder or this one cannot be written."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = cache_folder() / "jax" / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_compilation_cache_max_size", LARGEST)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _processor() -> str:
    """Identifies the kind of processor: code compiled for one may not run on another that shares
    the cache folder.
    """
    features = platform.machine() + platform.processor()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith(("model name", "flags", "Features")):
                features += line
                if line.startswith(("flags", "Features")):
                    break
    return hashlib.sha256(features.encode()).hexdigest()[:16]
