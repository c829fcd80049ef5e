"""SIGINT and SIGTERM at random moments of every command that takes a while. By hand: python
tests/signals.py --signals 20 --folder DIR.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

KAE = [sys.executable, "-m", "keras_mnist_ae"]
WITHIN = 5.0  # seconds
COMMANDS = {
    "train": ("train", "mlp", "--dataset", "digits", "--epochs", "30", "--runs-dir", "@", "--name", "#"),
    "evaluate": ("evaluate", "@/mine"),
    "latent": ("latent", "@/mine"),
    "generate": ("generate", "@/mine"),
    "figures": ("figures", "@/mine"),
    "report": ("report", "@/mine"),
    "export": ("export", "onnx", "@/mine"),
    "validate": ("validate", "@/mine"),
    "infer": ("infer", "reconstruct", "@/mine/onnx", "@/images.npy", "-o", "@/out.npy"),
    "data": ("data", "list"),
}


def start(words: tuple[str, ...], folder: Path, number: int) -> subprocess.Popen[str]:
    given = [word.replace("@", str(folder)).replace("#", f"run-{number}") for word in words]
    return subprocess.Popen(
        [*KAE, *given], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def stopped(
    words: tuple[str, ...], folder: Path, after: float, which: signal.Signals, number: int
) -> float | None:
    """Seconds from the signal to the end; None where the command had ended before it. Raises where
    the end is not as promised.
    """
    process = start(words, folder, number)
    time.sleep(after)
    if process.poll() is not None:
        process.communicate()
        return None
    process.send_signal(which)
    sent = time.monotonic()
    _, said = process.communicate()
    took = time.monotonic() - sent
    where = f"kae {' '.join(words)}, {which.name} after {after:.2f} s: {process.returncode} after {took:.1f} s\n{said}"
    if after < 0.2 and process.returncode == -which:
        return took  # Python itself was starting
    assert process.returncode in (0, 128 + which), where
    assert process.returncode == 0 or said.splitlines()[-1].startswith(
        ("kae: interrupted", "kae: terminated")
    ), where
    assert "Traceback" not in said, where
    assert took <= WITHIN, where
    deadline = time.monotonic() + 2  # for what a library had just started, such as a question to the system
    while _alive(process.pid):
        assert time.monotonic() < deadline, f"a process was left: {where}"
        time.sleep(0.05)
    left = [path for path in folder.rglob(".*") if path.name != ".lock"]
    assert not left, f"{left} left: {where}"
    return took


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signals", type=int, default=20, help="to each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    chance, folder = random.Random(given.seed), given.folder
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # which a shell's background jobs ignore, and whatever they start
    subprocess.run(
        [*KAE, "train", "mlp", "--dataset", "digits", "--runs-dir", folder, "--name", "mine"], check=True
    )
    subprocess.run([*KAE, "export", "onnx", folder / "mine"], check=True, stdout=subprocess.DEVNULL)
    code = "import numpy, keras_mnist_ae.datasets as d; numpy.save({!r}, numpy.tile(d.load('digits').test.images, (200, 1, 1, 1)))"
    subprocess.run([sys.executable, "-c", code.format(str(folder / "images.npy"))], check=True)
    number = 0
    for name, words in COMMANDS.items():
        began = time.monotonic()
        _, said = start(words, folder, number := number + 1).communicate()
        whole, ends = time.monotonic() - began, []
        while len(ends) < given.signals:
            number += 1
            took = stopped(
                words,
                folder,
                chance.uniform(0.1, whole),
                chance.choice((signal.SIGINT, signal.SIGTERM)),
                number,
            )
            ends += [] if took is None else [took]
        process = start(words, folder, number := number + 1)
        _, said = process.communicate()
        assert process.returncode == 0, f"{name} afterwards: {said}"
        print(
            f"{name}: {len(ends)} signals within {whole:.1f} s, ended after at most {max(ends):.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
