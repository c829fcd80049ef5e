"""Threads for a step: what counts as its work, who decides, and that nothing of it outlasts
training.
"""

import keras
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("the threads of torch", allow_module_level=True)

import torch
from torch.utils.flop_counter import FlopCounterMode
from torch_modules import with_weights_of

from keras_mnist_ae import build, train
from keras_mnist_ae.architecture.variants import VARIANTS, find
from keras_mnist_ae.models import torch_threads
from keras_mnist_ae.training import fit

SETTINGS = {"dataset": "digits", "limit": 64, "epochs": 1}


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_multiplications_are_those_that_pytorch_counts(name):
    variant = find(name)
    module = with_weights_of(build(name))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, *variant.image))
    assert (
        2 * (variant.encoder.multiplications + variant.decoder.multiplications) == counter.get_total_flops()
    )


def test_threads_grow_with_the_work_up_to_the_processors(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch_threads, "cores", lambda: 4)
    found = [torch_threads.of_step(find("conv-avgpool"), batch) for batch in (1, 32, 10**3, 10**6)]
    assert found[0] == found[1] == 1
    assert 1 < found[2] <= found[3] == 4


def test_training_keeps_to_them_and_gives_them_back(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before, seen = torch.get_num_threads(), []
    original = fit._fit
    monkeypatch.setattr(
        fit, "_fit", lambda *arguments: (seen.append(torch.get_num_threads()), original(*arguments))
    )
    torch.set_num_threads(2)
    try:
        run = train("mlp", runs_dir=tmp_path, name="a", **SETTINGS)
        assert torch.get_num_threads() == 2
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        given = train("mlp", runs_dir=tmp_path, name="b", **SETTINGS)
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 2]
    assert (run.environment["threads"], given.environment["threads"]) == ("1", "2")
