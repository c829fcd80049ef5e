"""Failures of the file system, made to order."""

import os
from pathlib import Path


class Failing:
    """Stands for a system call that fails when it is called for the n-th time."""

    def __init__(self, monkeypatch, at, code):
        self.left, self.code = at, code
        for place, name in ((os, "fsync"), (Path, "replace")):
            monkeypatch.setattr(place, name, self.around(getattr(place, name)))

    def around(self, original):
        def call(*arguments):
            self.left -= 1
            if self.left == 0:
                raise OSError(self.code, os.strerror(self.code))
            return original(*arguments)

        return call
