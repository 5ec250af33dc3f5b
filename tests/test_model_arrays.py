"""A classifier's arrays: each row's own tokens, padded, with the places that are pooled."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.batches import Batch
from relx.data.tokenizing.pooling import Pooling
from relx.data.tokenizing.token_rows import TokenRow, TokenRows
from relx.models.arrays import SpanArrays
from relx.spans import Span
from relx.tasks.relation.task import POOLINGS

ROOT = Path(__file__).parents[1]


@st.composite
def token_rows(draw):
    rows, rng = [], np.random.default_rng(draw(st.integers(0, 99)))
    for length in draw(st.lists(st.integers(5, 20), min_size=1, max_size=9)):
        ids = rng.integers(3, 70_000, length)
        places = sorted(rng.choice(length + 1, 4, replace=False).tolist())
        spans = Span(*places[:2]), Span(*places[2:])
        segments = (np.arange(length) > 3).astype(np.int32)
        row = TokenRow(ids.astype(np.int32), segments, spans, (places[0], places[2] - 1))
        rows.append(row)
    return rows


@given(token_rows())
def test_each_pooling_reads_its_spans(rows):
    spans = {name: pooling.places(TokenRows.of(rows)) for name, pooling in POOLINGS.items()}
    for i, row in enumerate(rows):
        starts = [[at, at + 1] for at in row.starts]
        assert spans["entity_starts"][i].tolist() == starts
        assert spans["cls_entity_starts"][i].tolist() == [[0, 1], *starts]
        assert spans["cls"][i].tolist() == [[0, 1]]
        assert spans["entity_means"][i].tolist() == [list(span) for span in row.spans]
    assert {array.dtype for array in spans.values()} == {np.dtype(np.int32)}
    assert all(spans[name].shape[1] == pooling.count for name, pooling in POOLINGS.items())


@pytest.mark.parametrize("count", [0, 1, 3])
def test_rows_may_have_any_number_of_spans(count):
    spans = tuple(Span(2 * i + 1, 2 * i + 3) for i in range(count))
    starts = tuple(span.start for span in spans)
    ids = np.arange(9, dtype=np.int32)
    rows = TokenRows.of([TokenRow(ids, ids * 0, spans, starts)] * 2)
    assert all((row.spans, row.starts) == (spans, starts) for row in rows)
    means = Pooling(count, "mean", first=True).places(rows)
    assert means.tolist() == [[[0, 1], *map(list, spans)]] * 2
    singles = Pooling(count, "start").places(rows)
    assert singles.tolist() == [[[at, at + 1] for at in starts]] * 2


@given(token_rows(), st.integers(20, 24), st.booleans(), st.data())
def test_a_batch_holds_each_rows_tokens_and_padding(rows, length, segments, data):
    targets = np.arange(len(rows), dtype=np.int32) % 3
    arrays = SpanArrays(rows, POOLINGS["entity_starts"], 1, segments, targets)
    taken = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=7)))
    real = data.draw(st.integers(1, len(taken)))
    inputs, classes, weights = arrays.training(Batch(taken, real, length), np.random.default_rng())
    for i, row in enumerate(rows[at] for at in taken):
        padding = length - len(row.token_ids)
        assert inputs["token_ids"][i].tolist() == [*row.token_ids, *[1] * padding]
        assert inputs["padding_mask"][i].tolist() == [1] * len(row.token_ids) + [0] * padding
        assert inputs["spans"][i, :, 0].tolist() == list(row.starts)
        if segments:
            assert inputs["segment_ids"][i].tolist() == [*row.segment_ids, *[0] * padding]
    assert ("segment_ids" in inputs) == segments
    assert classes.tolist() == targets[taken].tolist()
    assert weights.tolist() == pytest.approx([1 / real] * real + [0] * (len(taken) - real))
    shapes = arrays.signature(len(taken))
    assert {name: array.dtype for name, array in inputs.items()} == {
        name: dtype for name, (_, dtype) in shapes.items()
    }
    for name, (shape, _) in shapes.items():
        found = inputs[name].shape
        assert all(size in (None, own) for size, own in zip(shape, found, strict=True))


def test_no_framework_is_loaded_with_the_arrays():
    frameworks = {"keras", "tensorflow", "torch", "jax"}
    code = "import sys, relx.models.arrays, tapt.arrays; "
    code += f"sys.exit(len({frameworks!r} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
