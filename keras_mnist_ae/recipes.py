"""Ways to train that were found by measurement, on validation images that are part of the training set: see docs/performance.md."""

from .architecture import Recipe
from .errors import UsageError
from .variants import VARIANTS

RECIPES = ("reference", "fast", "best")

# The reference's quality in the least time.
FAST = {
    "conv-avgpool": Recipe(epochs=3, batch_size=64, learning_rate=1.5e-2, beta_2=0.98, warm_up=0.1),
}

# The lowest error in the reference's number of epochs.
BEST = {
    "conv-avgpool": Recipe(epochs=10, batch_size=64, learning_rate=8e-3, beta_2=0.99, warm_up=0.1),
}


def find(variant: str, recipe: str) -> Recipe:
    """The named recipe of a variant. Raises `UsageError` for an unknown recipe."""
    if recipe == "reference":
        return VARIANTS[variant].recipe
    if recipe not in RECIPES:
        raise UsageError(f"recipe is {recipe!r}; use one of {', '.join(RECIPES)}")
    return (FAST if recipe == "fast" else BEST)[variant]
