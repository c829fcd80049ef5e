"""The same weights give the same ONNX bytes from every backend, process and hash seed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from graphs import ALL, digests, emitted

SCRIPT = "import json, graphs; print(json.dumps({name: graphs.digests(graphs.emitted(name)) for name in graphs.ALL}))"


@pytest.mark.slow
def test_same_bytes_from_every_backend_process_and_hash_seed(installed_backends):
    ours = {name: digests(emitted(name)) for name in ALL}
    for seed, backend in enumerate(installed_backends):
        environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-c", SCRIPT]
        done = subprocess.run(
            command, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == ours, backend
