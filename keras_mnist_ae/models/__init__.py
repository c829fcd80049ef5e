"""Tables as Keras models, and how each backend computes them. Importing this room chooses the
backend: KERAS_BACKEND, else torch.
"""

from ..system import (
    backend as backend,
)  # sets KERAS_BACKEND where it is unset, so it stands before the first `import keras`
