"""What stage 2 logs of its dev rows: curves by class, and the mistakes it was surest of."""

import re

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugin_util import markdown_to_safe_html
from tensorboard.util.tensor_util import make_ndarray

from relx.data.labels import LabelList
from relx.scoring.decisions.one_of import ONE_OF
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example
from relx.training.dev_log import log_dev_rows, marked_sentence, mistakes_text
from relx.training.log import RunLog, curve_counts

LABELS = LabelList(("no_relation", "org:members", "per:title"), "no_relation")


def row(number, sentence="이순신은 조선의 장군이다.", subject=(0, 3), object_=(5, 7)):
    entities = (Entity(sentence[a:b], Span(a, b), "PER") for a, b in (subject, object_))
    return Example(str(number), sentence, *entities, None)


ROWS = [row(number) for number in range(20)]
GOLD = np.arange(20) % 3
ROLES = ("subject", "object")
GOLD_CELLS = ONE_OF.cells(GOLD, 3)


def probabilities(wrong):
    """The gold class at 0.6 + row / 100; in `wrong` rows the class after it."""
    predicted = np.where(np.isin(np.arange(20), wrong), (GOLD + 1) % 3, GOLD)
    top = 0.6 + np.arange(20) / 100
    out = np.repeat((1 - top)[:, None] / 2, 3, axis=1)
    out[np.arange(20), predicted] = top
    return out


def predicted(wrong):
    """What is chosen and its probabilities."""
    given = probabilities(wrong)
    return ONE_OF.cells(ONE_OF.choose(given), 3), given


def test_the_surest_mistakes_come_first_and_a_dozen_is_shown():
    text = mistakes_text(ROWS, ROLES, LABELS, GOLD_CELLS, *predicted(range(3, 19)))
    assert text.startswith("16 of 20 dev rows are mispredicted; the 12 surest. The subject is in ")
    ids = [line.split(" | ")[-1].rstrip(" |") for line in text.splitlines()[4:]]
    assert ids == [str(number) for number in range(18, 6, -1)]
    first = text.splitlines()[4]
    assert "no&#95;relation | org:members | 78.0 %" in first
    assert "PER → PER" in first


def test_missing_and_surplus_labels_are_mistakes_too():
    gold = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], bool)
    chosen = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)
    given = np.array([[0.9, 0.1, 0.6], [0.1, 0.8, 0.05], [0.1, 0.1, 0.1]])
    text = mistakes_text(ROWS[:3], ROLES, LABELS, gold, chosen, given)
    assert text.startswith("2 of 3 dev rows")
    first, second = text.splitlines()[4:]
    assert "org:members, per:title | org:members | 95.0 %" in first  # sure that it is missing
    assert "no&#95;relation | no&#95;relation, per:title | 60.0 %" in second


def test_a_row_of_no_label_says_so():
    gold, chosen = np.zeros((1, 3), bool), np.array([[0, 1, 0]], bool)
    text = mistakes_text(ROWS[:1], ROLES, LABELS, gold, chosen, np.array([[0.1, 0.7, 0.2]]))
    assert "| none | org:members | 70.0 %" in text


def test_without_a_mistake_the_text_says_so():
    assert "All 20 dev rows" in mistakes_text(ROWS, ROLES, LABELS, GOLD_CELLS, *predicted([]))


@pytest.mark.parametrize(
    ("sentence", "subject", "object_", "shown"),
    [
        ("이순신은 조선의 장군", (0, 3), (5, 7), "<b>[이순신]</b>은 <b>{조선}</b>의 장군"),
        ("서울 대학교 총장", (0, 6), (0, 2), "<b>[{서울} 대학교]</b> 총장"),
        ("서울 대학교", (0, 4), (3, 6), "<b>[서울 {대]학교}</b>"),
        ("a*b* <i> 가|나", (0, 4), (9, 12), "<b>[a*b*]</b> &lt;i&gt; <b>{가|나}</b>"),
    ],
    ids=["apart", "nested", "crossing", "markup"],
)
def test_both_entities_are_marked_wherever_they_stand(sentence, subject, object_, shown):
    html = markdown_to_safe_html(marked_sentence(row(0, sentence, subject, object_)))
    html = html.replace("strong>", "b>").removeprefix("<p>").removesuffix("</p>")
    assert re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), html) in (
        shown,
        shown.replace("&lt;", "<").replace("&gt;", ">"),
    )


def test_there_is_a_curve_a_class_and_the_micro_one_leaves_out_the_negative(tmp_path):
    chosen, given = predicted([4, 5])
    with RunLog(tmp_path) as log:
        log_dev_rows(log, 1, ROWS, ROLES, LABELS, GOLD_CELLS, chosen, given)
    events = EventAccumulator(str(tmp_path / "logs")).Reload()
    curves = {
        tag.removeprefix("precision-recall/"): make_ndarray(events.Tensors(tag)[0].tensor_proto)
        for tag in events.Tags()["tensors"]
        if tag.startswith("precision-recall/")
    }
    assert list(curves) == [*LABELS.names, "micro"]
    for index, name in enumerate(LABELS.names):
        assert (curves[name] == curve_counts(index == GOLD, given[:, index])).all()
    both = curve_counts(GOLD == 1, given[:, 1])[:4] + curve_counts(GOLD == 2, given[:, 2])[:4]
    assert (curves["micro"][:4] == both).all()
    assert "mistakes" in events.Tags()["tensors"]
