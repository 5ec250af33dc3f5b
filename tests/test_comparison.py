"""McNemar's test against SciPy's, and how labels change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from relx.scoring.comparison import (
    EXACT_BELOW,
    KINDS,
    changes,
    mcnemar,
    mcnemar_by_label,
    right_rows,
)


def rightness(both, first, second, neither):
    """Which rows each has right, from the counts of a table."""
    counts = [both, first, second, neither]
    pairs = np.array([(True, True), (True, False), (False, True), (False, False)])
    return np.repeat(pairs, counts, axis=0).T


@given(st.lists(st.integers(0, 40), min_size=4, max_size=4))
def test_mcnemar_is_scipys_binomial_test_or_chi_square(counts):
    test = mcnemar(*rightness(*counts))
    assert [test.both, test.first, test.second, test.neither] == counts
    deciding = test.first + test.second
    if deciding >= EXACT_BELOW:
        statistic = max(0, abs(test.first - test.second) - 1) ** 2 / deciding
        assert test.test == "chi-square" and test.statistic == pytest.approx(statistic)
        assert test.p == pytest.approx(chi2.sf(statistic, 1), rel=1e-9)
    else:
        expected = binomtest(test.first, deciding, 0.5).pvalue if deciding else 1.0
        assert test.test == "exact" and test.statistic is None
        assert test.p == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_a_textbooks_table():
    # Agresti, Categorical Data Analysis, on 86 and 150 deciding rows: z² = 17.36 uncorrected.
    test = mcnemar(*rightness(794, 150, 86, 570))
    assert test.statistic == pytest.approx((150 - 86 - 1) ** 2 / 236)
    assert test.p == pytest.approx(4.1e-5, rel=0.02)


def test_rows_are_fixed_broken_or_changed_otherwise():
    gold = np.array([0, 0, 1, 1, 2])
    kinds = changes(np.array([0, 1, 1, 0, 1]), np.array([1, 0, 1, 2, 1]), gold)
    assert [KINDS[kind] if kind >= 0 else "same" for kind in kinds] == [
        *("broken", "fixed", "same", "otherwise", "same"),
    ]


def test_a_class_and_its_cell_change_alike():
    rng = np.random.default_rng(0)
    before, after, gold = rng.integers(0, 3, (3, 200))
    cells = [classes[:, None] == np.arange(3) for classes in (before, after, gold)]
    assert changes(*cells).tolist() == changes(before, after, gold).tolist()
    assert right_rows(cells[0], cells[2]).tolist() == (before == gold).tolist()


def test_a_row_of_many_labels_is_right_in_all_or_wrong():
    gold = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 1]], bool)
    before = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 1]], bool)
    after = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]], bool)
    assert right_rows(before, gold).tolist() == [False, True, False, True]
    kinds = changes(before, after, gold)
    assert [KINDS[kind] if kind >= 0 else "same" for kind in kinds] == [
        *("fixed", "broken", "otherwise", "same"),
    ]


def test_a_test_a_label_counts_the_cells_that_were_fixed_and_broken():
    rng = np.random.default_rng(1)
    first, second, gold = rng.random((3, 300, 4)) < 0.3
    tests = mcnemar_by_label(first, second, gold)
    assert len(tests) == 4
    for index, test in enumerate(tests):
        columns = first[:, index], second[:, index], gold[:, index]
        before, after = columns[0] == columns[2], columns[1] == columns[2]
        assert test == mcnemar(before, after)
        assert test.second == sum(~before & after)
        assert test.first == sum(before & ~after)
