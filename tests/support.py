"""What several test files use."""

import pytest


def some(names, *quick):
    """Parameters of a test: the quick ones always, the others with --full."""
    return [pytest.param(n, marks=[] if n in quick else pytest.mark.slow) for n in sorted(names)]


def quick_elsewhere(names, *quick):
    """Parameters of a test that compiles much: the quick ones on every backend, the others with
    torch, and with --full on all.
    """
    slow = pytest.mark.slow("tensorflow", "jax")
    return [pytest.param(name, marks=[] if name in quick else slow) for name in names]
