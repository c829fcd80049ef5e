"""Ways to train that were found by measurement, on validation images that are part of the training
set: see docs/performance.md.
"""

from dataclasses import replace

from ..errors import UsageError
from .variant import Recipe, Variant
from .variants import VARIANTS

RECIPES = ("reference", "fast", "best")

# The reference's quality in the least time.
FAST = {
    "conv-avgpool": Recipe(epochs=2, batch_size=48, learning_rate=2e-2, beta_2=0.95, warm_up=0.4),
    "conv-k15": Recipe(epochs=2, batch_size=64, learning_rate=5e-3, beta_2=0.98, warm_up=0.1),
    "conv-k16": Recipe(epochs=4, batch_size=32, learning_rate=3e-3, beta_2=0.98, warm_up=0.1),
    "conv-unpool": Recipe(epochs=6, batch_size=64, learning_rate=1e-2, beta_2=0.99, warm_up=0.1),
    "mlp": Recipe(epochs=5, batch_size=32, learning_rate=4e-3, beta_2=0.98, warm_up=0.1),
}

# The lowest error in the reference's number of epochs.
BEST = {
    "conv-avgpool": Recipe(epochs=10, batch_size=8, learning_rate=3e-3, beta_2=0.99, warm_up=0.1),
    "conv-k15": Recipe(epochs=15, batch_size=32, learning_rate=4e-3, beta_2=0.99, warm_up=0.1),
    "conv-k16": Recipe(epochs=10, batch_size=32, learning_rate=3e-3, beta_2=0.99, warm_up=0.1),
    "conv-unpool": Recipe(epochs=10, batch_size=64, learning_rate=1e-2, beta_2=0.99, warm_up=0.1),
    "mlp": Recipe(epochs=10, batch_size=32, learning_rate=3e-3, beta_2=0.99, warm_up=0.1),
}


def find(variant: Variant, recipe: str) -> Recipe:
    """The named recipe of a variant; where it has none of that name, its own with a schedule.
    Raises `UsageError` for another name.
    """
    if recipe not in RECIPES:
        raise UsageError(f"recipe is {recipe!r}; use one of {', '.join(RECIPES)}")
    own = variant.recipe
    if recipe == "reference":
        return own
    named = FAST if recipe == "fast" else BEST
    if variant.name in named and variant == VARIANTS[variant.name]:
        return named[variant.name]
    epochs = own.epochs if recipe == "best" else max(1, own.epochs // 4)
    return replace(own, epochs=epochs, beta_2=min(own.beta_2, 0.99), warm_up=own.warm_up or 0.1)
