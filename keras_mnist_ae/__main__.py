"""The entry point of `kae`, and of `python -m keras_mnist_ae`: a signal is heard before the rest is imported."""

import os
import sys

from . import interruption


def main() -> None:
    interruption.install()
    try:
        from .cli.main import kae

        kae(prog_name="kae")
    except interruption.Interrupted as interrupted:  # where no command was at work yet
        print(f"kae: {interrupted}", file=sys.stderr)
    finally:
        if found := interruption.pending():  # what a backend's threads still do must not hold up the end, nor crash it
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(found.exit_code)
        interruption.leave()


if __name__ == "__main__":
    main()
