"""Each reader given valid files with a few bytes changed: see fuzz.py, by hand with more."""

import fuzz
import pytest

COUNT = 20


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    return fuzz.targets(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", fuzz.NAMES)
def test_a_changed_file_is_read_or_refused_in_words(targets, name):
    found = list(fuzz.attack(targets[name], COUNT, seed=1))
    assert len(found) > COUNT / 2
    assert not [each for each in found if each[1] not in fuzz.FINE]


def test_every_target_is_attacked(targets):
    assert set(fuzz.NAMES) == targets.keys()
