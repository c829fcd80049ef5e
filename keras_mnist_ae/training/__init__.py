"""`model.fit` on a table and an image set."""

from ..system import (
    backend as backend,
)  # sets KERAS_BACKEND where it is unset, so it stands before the first `import keras`
