"""What a decoder is asked about a row: the template filled, and what of the sentence must stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.prompts.prompt import Prompt
from relx.faults import InputError
from relx.recipe import DataSection, DecideSection, MarkersSection
from relx.spans import Span
from relx.tasks.relation import prompts as relation
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example
from relx.tasks.relation.task import RelationTask
from relx.tasks.target import prompts as target
from relx.tasks.target.markers import WHOLE
from relx.tasks.target.rows import Target, TargetRow
from relx.tasks.target.task import TargetTask
from relx.template import check_prompt

LABELS = (" 기쁨", "슬픔")
SENTENCE = "어제 먹은 국밥은 좋았지만 주인은 무서웠다."
ROW = TargetRow("a", SENTENCE, Target("국밥", Span(6, 8)), None)
WHOLE_ROW = TargetRow("a", SENTENCE, None, None)
BAND = "비틀즈는 조지 해리슨의 노래를 담았다."
EXAMPLE = Example(
    "1", BAND, Entity("비틀즈", Span(0, 3), "ORG"), Entity("조지 해리슨", Span(5, 11), "PER"), None
)
PLAIN = MarkersSection(style="none")
PUNCT = MarkersSection(style="entity_marker_punct")


def of_target(template, row=ROW, markers=PLAIN):
    return target.prompter(markers, template, LABELS)(row)


def of_relation(template, row=EXAMPLE, markers=PLAIN):
    return relation.prompter(markers, template, LABELS)(row)


def test_every_slot_of_a_target_is_filled():
    prompt = of_target("{labels}\n{sentence}\n{target}의 {target}?")
    assert prompt == Prompt("기쁨, 슬픔\n", SENTENCE, "\n국밥의 국밥?", (Span(6, 8),))
    assert prompt.text == f"기쁨, 슬픔\n{SENTENCE}\n국밥의 국밥?"


def test_every_slot_of_a_relation_is_filled_with_types_as_korean_words():
    prompt = of_relation("{labels}: {sentence} {subject}/{subject_type} {object}/{object_type}")
    assert prompt.before == "기쁨, 슬픔: "
    assert prompt.after == " 비틀즈/단체 조지 해리슨/사람"
    assert (prompt.sentence, prompt.keep) == (BAND, EXAMPLE.spans)


def test_a_whole_sentence_has_its_words_in_the_prompt_and_nothing_to_keep():
    prompt = of_target("{sentence}\n{target}?", WHOLE_ROW, PUNCT)
    assert prompt == Prompt("", SENTENCE, f"\n{WHOLE}?")


def test_markers_are_shown_and_kept_with_the_words():
    prompt = of_target("{sentence}{target}", markers=PUNCT)
    assert prompt.sentence == "어제 먹은 @ 국밥 @은 좋았지만 주인은 무서웠다."
    start, end = min(prompt.keep).start, max(span.end for span in prompt.keep)
    assert prompt.sentence[start:end] == "@ 국밥 @"
    prompt = of_relation("{sentence}{subject}{object}", markers=PUNCT)
    assert prompt.sentence == "@ 비틀즈 @는 # 조지 해리슨 #의 노래를 담았다."
    assert prompt.keep[0].of(prompt.sentence) == "비틀즈"
    assert max(span.end for span in prompt.keep) == prompt.sentence.index("의 노래")


TASKS = {
    "target": (TargetTask, ROW, "target_start", "many", target),
    "relation": (RelationTask, EXAMPLE, "entity_starts", "one", relation),
}


@pytest.mark.parametrize("name", TASKS)
def test_the_task_s_own_prompt_begins_with_what_all_rows_share(name):
    kind, row, pooling, labels, module = TASKS[name]
    task = kind(DataSection(negative=None), PUNCT, pooling, DecideSection(labels=labels))
    prompt = task.prompter(None, LABELS)(row)
    shared, words = module.PROMPT.split("{sentence}")
    assert prompt.before == shared.replace("{labels}", "기쁨, 슬픔")
    assert "{" not in prompt.text and not words[-1].isspace()
    for span in row.spans:
        assert span.of(row.sentence) in prompt.after
    assert task.prompter(module.PROMPT, LABELS)(row) == prompt


@pytest.mark.parametrize("prompter", [of_target, of_relation])
@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{target}{subject}{object}", "{sentence}"),
        ("{sentence}", "{target}|{subject}"),
        ("{sentence}{target}{subject}{object}{label}", "did you mean {labels}?"),
        ("{sentence}{target}{subject}{object}{0.__class__}", "{0.__class__}"),
        ("{sentence}{sentence}{target}{subject}{object}", "{sentence} once"),
        ("{sentence}{target}{subject}{object}{", "a brace"),
    ],
)
def test_a_prompt_that_cannot_be_filled_in_is_a_fault(prompter, template, named):
    roles = ("{subject}{object}", "{target}")
    for other in roles if prompter is of_target else roles[::-1]:
        template = template.replace(other, "")
        break
    with pytest.raises(InputError) as caught:
        prompter(template)
    said = str(caught.value)
    assert any(part in said for part in named.split("|"))
    assert {fault.where for fault in caught.value.faults} == {"decoder.prompt"}
    assert all(fault.allowed for fault in caught.value.faults)


def test_all_that_is_missing_is_said_at_once():
    missing = [fault.what for fault in check_prompt("?", ("sentence", "a"), ("sentence", "a"))]
    assert missing == ["the prompt lacks {sentence}", "the prompt lacks {a}"]
    assert check_prompt("{a}{sentence}{a}", ("sentence", "a"), ("sentence", "a")) == []


@pytest.mark.parametrize(
    ("prompter", "query"), [(of_target, "{target}?"), (of_relation, "{subject}?")]
)
def test_a_query_beside_a_prompt_is_a_fault(prompter, query):
    with pytest.raises(InputError) as caught:
        prompter(None, markers=MarkersSection(style="entity_marker", query=query))
    assert [fault.where for fault in caught.value.faults] == ["markers.query"]


@given(st.text(min_size=1), st.text())
def test_nothing_in_a_value_is_looked_at_again(word, around):
    sentence = f"{around}{word}{{target}}"
    row = TargetRow("a", sentence, Target(word, Span(len(around), len(around) + len(word))), None)
    prompt = target.prompter(PLAIN, "{labels}{sentence}{target}", ("{sentence}",))(row)
    assert (prompt.before, prompt.sentence, prompt.after) == ("{sentence}", sentence, word)
