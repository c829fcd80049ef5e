"""How a run reads images."""

from ..datasets.reading import Reading
from .folder import Run


def trained_reading(run: Run) -> Reading:
    """How the images of a run are read: as its config says, and with the depth that those had which
    it was trained on.
    """
    asked, depth = run.config.reading, run.environment.get("depth")
    return asked if asked.value_range or not depth else asked.with_depth((depth[0], depth[1]))
