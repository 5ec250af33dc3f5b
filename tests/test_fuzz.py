"""Every reader beside files that no reader should meet: a message, or what the file says."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import fuzz

from relx import progress
from relx.faults import Fault, InputError

SECONDS, INPUTS = 60, 12_000


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(progress, "warn", lambda text: None)
    monkeypatch.setattr(progress, "say", lambda text: None)


@pytest.mark.slow
def test_no_reader_raises_anything_but_a_message():
    found = fuzz.fuzz(fuzz.readers(), SECONDS, seed=11, most=INPUTS)
    assert found.faults == {}
    assert len(found.inputs) > 20 and min(found.inputs.values()) > 20
    for name, count in found.inputs.items():
        assert found.refused[name] < count  # else its whole files are none


def targets(read):
    return [fuzz.Target("a", read, [b"abcdef" * 20])]


def raises(error):
    def read(path):
        if path.read_bytes() != b"abcdef" * 20:
            raise error

    return read


def test_another_exception_is_a_fault():
    found = fuzz.fuzz(targets(raises(KeyError("b"))), 60, seed=0, most=50)
    (fault,) = found.faults.values()
    assert "KeyError" in next(iter(found.faults)) and fault["times"] > 30


def test_a_message_is_none_unless_it_is_too_long():
    assert fuzz.fuzz(targets(raises(InputError(Fault("wrong")))), 60, seed=0, most=50).faults == {}
    long = InputError(*[Fault("a", "b\n" * 5, "c\n" * 5, "d\n" * 5)])
    assert "too many lines" in next(iter(fuzz.fuzz(targets(raises(long)), 60, 0, 50).faults))


def test_equal_seeds_give_equal_inputs():
    def inputs(seed):
        seen = []
        fuzz.fuzz(targets(lambda path: seen.append(path.read_bytes())), 60, seed, most=200)
        return seen

    assert inputs(1) == inputs(1) != inputs(2)
    assert len(set(inputs(1))) > 150
