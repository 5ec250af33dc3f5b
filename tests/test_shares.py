import numpy as np
import pytest

from relx.scoring.curves import class_auprc
from relx.scoring.shares import as_shares

PLACES = ["a.csv:2, id a", "a.csv:3, id b", "a.csv:4, id c"]
GOOD = [0.5, 0.3, 0.2]


def shares(*rows):
    numbers = np.array(rows, float)
    faults = as_shares(numbers, PLACES.__getitem__, "a.csv")
    return numbers, faults


def test_numbers_that_sum_to_one_stay_as_they_are(capsys):
    rows = [GOOD, [0.1, 0.2, 0.7004]]
    found, faults = shares(*rows)
    assert found.tolist() == rows and not faults and not capsys.readouterr().err


@pytest.mark.parametrize("row", [[0.333, 0.333, 0.33], [0.5, 0.3, 0.1985], [0.335, 0.335, 0.335]])
def test_rounded_numbers_are_divided_by_their_sum(row, capsys):
    found, faults = shares(GOOD, row)
    assert found.sum(axis=1) == pytest.approx([1, 1], abs=1e-12) and not faults
    assert found[0].tolist() == GOOD
    said = capsys.readouterr().err
    assert "note: a.csv: 1 rows" in said and "softmax" not in said


CASES = {
    "percentages": ([[50, 30, 20], [10, 20, 70]], "to 100, as percentages do"),
    "votes of five models": ([[5, 0, 0], [1, 2, 2]], "to 5, as votes"),
    "sums of two models": ([[1.2, 0.5, 0.3], [0.2, 0.4, 1.4]], "to 2, as votes"),
    "sigmoids": ([[0.9, 0.2, 0.1], [0.3, 0.1, 0.2]], "to 0.6 to 1.2"),
    "a sample that is filled with one number": ([[0.1, 0.1, 0.1]] * 2, "to 0.3"),
    "zeros": ([[0, 0, 0], [0.1, 0.2, 0.7]], "to 0 ("),
    "huge numbers": ([[1e308, 1e308, 0], [1, 2, 3]], "to inf"),
}


@pytest.mark.parametrize("name", CASES)
def test_other_sums_are_a_warning_that_gives_no_advice_of_softmax(name, capsys):
    rows, words = CASES[name]
    found, faults = shares(*rows)
    said = " ".join(capsys.readouterr().err.split())
    assert not faults and "warning:" in said and "softmax" not in said
    if name != "huge numbers":
        assert words in said
    assert np.isfinite(found).all() and found.max() <= 1


def test_auprc_is_that_of_the_numbers_as_they_are():
    rng = np.random.default_rng(2)
    numbers = rng.random((200, 3)) * rng.integers(1, 90, (200, 1))
    gold = rng.integers(0, 3, 200)
    places = [str(row) for row in range(200)]
    found = numbers.copy()
    as_shares(found, places.__getitem__, "a.csv")
    assert class_auprc(gold, found).tolist() == class_auprc(gold, numbers).tolist()


@pytest.mark.parametrize(
    ("row", "step"),
    [
        ([4.2, 1.0, -3.0], "softmax"),
        ([-1.0, -2.0, -3.0], "softmax"),
        ([-0.004, 0.604, 0.4], "clip(0)"),
        (np.log(GOOD).tolist(), "apply exp"),
    ],
)
def test_the_advice_for_negative_numbers_goes_by_what_they_are(row, step):
    _, ((index, fault),) = shares(GOOD, row)
    assert index == 1 and step in fault.next_step and fault.where == f"{PLACES[1]}, column probs"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_one_fault(bad):
    _, ((index, fault),) = shares(GOOD, [bad, 0.5, 0.5])
    assert index == 1 and "softmax" not in fault.next_step and "nan or infinity" in fault.what
