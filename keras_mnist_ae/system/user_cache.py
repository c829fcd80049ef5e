"""The user's cache folder."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """XDG_CACHE_HOME where it is set, else what the system has for caches; among the temporary
    files for a user without a home.
    """
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "keras_mnist_ae"
    from platformdirs import user_cache_path

    try:
        return user_cache_path("keras_mnist_ae", appauthor=False)
    except (RuntimeError, OSError):
        return Path(tempfile.gettempdir()) / "keras_mnist_ae"
