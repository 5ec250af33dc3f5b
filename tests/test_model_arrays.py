"""The relation model's arrays: each row's own tokens, padded, with the spans that are pooled."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.batches import Batch
from relx.data.token_rows import TokenRow, TokenRows
from relx.models.arrays import RelationArrays, pooled_spans
from relx.spans import Span

ROOT = Path(__file__).parents[1]


@st.composite
def token_rows(draw):
    rows, rng = [], np.random.default_rng(draw(st.integers(0, 99)))
    for length in draw(st.lists(st.integers(5, 20), min_size=1, max_size=9)):
        ids = rng.integers(3, 70_000, length)
        places = sorted(rng.choice(length + 1, 4, replace=False).tolist())
        spans = Span(*places[:2]), Span(*places[2:])
        segments = (np.arange(length) > 3).astype(np.int32)
        row = TokenRow(ids.astype(np.int32), segments, *spans, places[0], places[2] - 1)
        rows.append(row)
    return rows


@given(token_rows())
def test_each_pooling_reads_its_spans(rows):
    spans = {
        pooling: pooled_spans(TokenRows.of(rows), pooling)
        for pooling in ("entity_starts", "cls_entity_starts", "cls", "entity_means")
    }
    for i, row in enumerate(rows):
        starts = [[at, at + 1] for at in (row.subject_start, row.object_start)]
        assert spans["entity_starts"][i].tolist() == starts
        assert spans["cls_entity_starts"][i].tolist() == [[0, 1], *starts]
        assert spans["cls"][i].tolist() == [[0, 1]]
        assert spans["entity_means"][i].tolist() == [list(row.subject), list(row.object)]
    assert {array.dtype for array in spans.values()} == {np.dtype(np.int32)}


@given(token_rows(), st.integers(20, 24), st.booleans(), st.data())
def test_a_batch_holds_each_rows_tokens_and_padding(rows, length, segments, data):
    targets = np.arange(len(rows), dtype=np.int32) % 3
    arrays = RelationArrays(rows, "entity_starts", 1, segments, targets)
    taken = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=7)))
    real = data.draw(st.integers(1, len(taken)))
    inputs, classes, weights = arrays.training(Batch(taken, real, length), np.random.default_rng())
    for i, row in enumerate(rows[at] for at in taken):
        padding = length - len(row.token_ids)
        assert inputs["token_ids"][i].tolist() == [*row.token_ids, *[1] * padding]
        assert inputs["padding_mask"][i].tolist() == [1] * len(row.token_ids) + [0] * padding
        assert inputs["spans"][i, :, 0].tolist() == [row.subject_start, row.object_start]
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
