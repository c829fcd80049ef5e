"""When a model is left to Keras' own steps on torch."""

from typing import Any

import keras
import torch

from .keras_forward import why_not_fast


def why_stock(model: Any) -> str | None:
    """Why the model, as it is compiled, needs Keras' own steps, or None."""
    if model.dtype_policy.compute_dtype != model.dtype_policy.variable_dtype:
        return f"the dtype policy is {model.dtype_policy.name}"
    if keras.distribution.distribution() is not None:
        return "keras.distribution shares the work, and its steps join the gradients"
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    if together and torch.distributed.get_world_size() > 1 and not model.group:
        return "torch.distributed joins several processes"
    if model.jit_compile:
        return "jit_compile=True"
    for method in ("call", "compute_loss"):
        if not getattr(type(model), method).__module__.startswith(f"{__package__}."):
            return f"its {method} is overridden"
    if not model.trainable_weights:
        return "none of its weights is trainable"
    return why_not_fast(model)
