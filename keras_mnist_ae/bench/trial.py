"""A training of a sweep, in a process that ends with its parent: `kae`, stopped as by SIGTERM when
its standard input ends.
"""

import os
import runpy
import signal
import sys
import threading


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    runpy.run_module("keras_mnist_ae", run_name="__main__")
