"""The entry point of `kae`, and of `python -m keras_mnist_ae`: a signal is heard before the rest is
imported.
"""

import atexit
import os
import sys
from contextlib import suppress

from .system import lean, signals


def main() -> None:
    """Run the command and end the process, without the second or so that Python takes to clear away
    what the backends have loaded.
    """
    signals.install()
    lean.install()
    code = 1

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, AttributeError):  # a pipe whose reader has left, or none at all
                stream.flush()
        os._exit(code)

    atexit.register(leave)  # before all others, so it comes after them
    try:
        from .cli.main import kae

        kae(prog_name="kae")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
    except signals.Interrupted as interrupted:  # where no command was at work yet
        print(f"kae: {interrupted}", file=sys.stderr)
    finally:
        if (
            found := signals.pending()
        ):  # what a backend's threads still do must not hold up the end, nor crash it
            code = found.exit_code
            leave()
        signals.leave()


if __name__ == "__main__":
    main()
