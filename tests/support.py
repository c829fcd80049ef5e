"""What several test files use."""

import pytest


def some(names, *quick):
    """Parameters of a test: the quick ones always, the others with --full."""
    return [pytest.param(n, marks=[] if n in quick else pytest.mark.slow) for n in sorted(names)]
