"""The masked-LM model's arrays: masks are a matter of the generator and the rows that count."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from relx.data.batches import Batch, Feeder
from tapt.arrays import CorpusArrays
from tapt.corpus import CorpusRows


def corpus_arrays(lengths, rate=0.3):
    """Rows of tokens 100, 101, …, where the first and the last token may not be masked."""
    offsets = np.cumsum([0, *lengths])
    at = np.arange(offsets[-1])
    of_row = at - np.repeat(offsets[:-1], lengths)
    inner = (of_row > 0) & (of_row < np.repeat(lengths, lengths) - 1)
    units = np.where(inner, (of_row - 1) // 2, -1).astype(np.int16)
    rows = CorpusRows((100 + at).astype(np.uint16), units, offsets)
    random_ids = np.arange(5, 90, dtype=np.int32)
    return CorpusArrays(rows, rate=rate, pad_id=1, mask_id=4, random_ids=random_ids, segments=True)


LENGTHS = st.lists(st.integers(3, 25), min_size=1, max_size=12)


@given(LENGTHS, st.integers(0, 9), st.data())
def test_where_nothing_is_hidden_a_batch_is_its_rows(lengths, seed, data):
    arrays = corpus_arrays(lengths)
    taken = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=6)))
    batch = Batch(taken, len(taken), 26)
    inputs, targets, weights = arrays.training(batch, np.random.default_rng(seed))
    restored = inputs["token_ids"].copy()
    rows, slots = np.nonzero(weights)
    restored[rows, inputs["mask_positions"][rows, slots]] = targets[rows, slots]
    for i, row in enumerate(taken):
        own = arrays.rows[row]
        assert restored[i].tolist() == [*own.token_ids, *[1] * (26 - lengths[row])]
        assert inputs["padding_mask"][i].sum() == lengths[row]
        assert (own.units[inputs["mask_positions"][i, slots[rows == i]]] >= 0).all()
    assert not inputs["segment_ids"].any()


@given(LENGTHS, st.integers(1, 8), st.integers(2, 5))
def test_rows_that_fill_up_change_no_mask(lengths, batch_size, multiple):
    arrays = corpus_arrays(lengths)
    lengths = np.array(lengths)
    alone = Feeder(lengths, batch_size, 3, arrays.training)
    filled = Feeder(lengths, batch_size, 3, arrays.training, multiple=multiple)
    for batch, one, other in zip(alone.plan(1), alone.arrays(1), filled.arrays(1), strict=True):
        for name, array in one[0].items():
            assert (other[0][name][: batch.real] == array[: batch.real]).all(), name
        assert (other[1][: batch.real] == one[1][: batch.real]).all()
        assert (other[2][: batch.real] == one[2][: batch.real]).all()
        assert not other[2][batch.real :].any()
        assert len(other[2]) % multiple == 0
