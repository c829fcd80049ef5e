"""No word to anyone: commands run where whatever turns to a network is killed (`offline.py`)."""

import signal
import subprocess
import sys
from pathlib import Path

import offline
import pytest

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(not offline.supported(), reason="seccomp filters of Linux on x86_64 and aarch64"),
]
# What libraries send home, they send from threads of their own: one process runs the commands, and
# stays for as long as onnxruntime's telemetry takes to look up its host. urllib3 tries at its import
# whether a socket of IPv6 can be bound, unless Python has none.
RUN = """
import socket, sys, time
socket.has_ipv6 = False
from click.testing import CliRunner
from keras_mnist_ae.cli.main import kae
began = time.monotonic()
for line in sys.stdin:
    outcome = CliRunner().invoke(kae, line.split())
    assert outcome.exit_code == 0, line + outcome.output
time.sleep(max(0, {stay} + began - time.monotonic()))
"""
COMMANDS = """
train mlp --dataset digits --limit 320 --epochs 2 --validation 64 --name a
export onnx a
infer encode a digits --output codes.npz
"""
OTHERS = """
validate a
evaluate a
evaluate a --onnx
report a
latent a
cluster a --seeds 2
generate a
interpolate a 0 1
calibrate a --false-alarms 0.1
score a digits --output scores.csv
figures a
explore a
publish a --to published
resume a --epochs 3
train vae-mlp --dataset digits --limit 320 --epochs 1 --name b
runs
runs --compare a b
compare a
models
data list
size mlp --dataset digits --limit 320 --epochs 1
"""


def offline_run(*command, **options):
    script = Path(offline.__file__)
    return subprocess.run(
        [sys.executable, script, *command], capture_output=True, text=True, timeout=600, **options
    )


@pytest.mark.parametrize(
    "code",
    [
        "socket.getaddrinfo('localhost.invalid', 80)",
        "socket.create_connection(('127.0.0.1', 9))",
        "done = subprocess.run([sys.executable, '-c', 'import socket; socket.socket()']); "
        "assert done.returncode == -signal.SIGSYS; socket.socket()",
    ],
)
def test_the_watch_ends_what_turns_to_a_network(code):
    done = offline_run(sys.executable, "-c", f"import signal, socket, subprocess, sys; {code}")
    assert done.returncode == -signal.SIGSYS


@pytest.mark.parametrize(
    ("commands", "stay"),
    [
        pytest.param(COMMANDS, 0, marks=pytest.mark.slow("tensorflow", "jax"), id="some"),
        pytest.param(COMMANDS + OTHERS, 20, marks=pytest.mark.slow, id="all"),
    ],
)
def test_commands_turn_to_no_network(tmp_path, commands, stay):
    done = offline_run(sys.executable, "-c", RUN.format(stay=stay), input=commands.strip(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["", "import onnxruntime"])
def test_the_runtime_turns_to_no_network(finished_runs, first):
    """Also where onnxruntime was imported before it could be told."""
    folder = finished_runs("mlp").export_onnx(images=8)
    code = (
        f"{first}\nimport time; import numpy as np; from keras_mnist_ae.export.runtime import OnnxAutoencoder\n"
        f"OnnxAutoencoder({str(folder)!r}).reconstruct(np.zeros((2, 28, 28), np.uint8)); time.sleep(15)"
    )
    done = offline_run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr[-2000:]
