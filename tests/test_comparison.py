"""McNemar's test against SciPy's, and how labels change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from relx.scoring.comparison import EXACT_BELOW, KINDS, changes, mcnemar


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
