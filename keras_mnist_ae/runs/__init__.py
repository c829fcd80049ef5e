"""A run on disk. The room itself is the public function `kae.runs`: see `listing.runs`."""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """`kae.runs(folder)`: importing any module of this room puts the room in that name's place."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from .listing import runs

        return runs(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
