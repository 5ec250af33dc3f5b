"""Prompts as rows: what the tokenizer makes of their text, within the window."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_tokenizers import BYTES, CHAT, KINDS, SENTENCES, SPECIALS, tokenizer_of

from relx.data.prompts.prompt import Prompt
from relx.data.prompts.prompt_frame import prompt_frame
from relx.data.prompts.prompt_rows import COLUMNS, PromptRows, common_prefix, prompt_rows
from relx.data.prompts.prompt_window import LOST, Fitted, fitted
from relx.dataset import prompt_rows_of
from relx.faults import InputError
from relx.recipe import MarkersSection
from relx.spans import Span
from relx.tasks.target.prompts import prompter
from relx.tasks.target.rows import Target, TargetRow

BEFORE, AFTER = "글을 읽고 쓰시오.\n글: ", "\n알맞은 말:"
LONG = " ".join([SENTENCES[1][:24], SENTENCES[2][:36], SENTENCES[3][:46]] * 2)


def theirs(tokenizer, prompt, chat):
    """The reference: the tokenizer's own call on the whole text."""
    if not chat:
        return [tokenizer.bos_token_id, *tokenizer(prompt.text, add_special_tokens=False).input_ids]
    message = [{"role": "user", "content": prompt.text}]
    text = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False).input_ids


def row_of(prompt, tokenizer, max_length=512, chat=False):
    return prompt_rows([prompt], tokenizer, max_length, ["7"], chat)[0].tolist()


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_what_the_tokenizer_makes_of_the_text(kind, chat):
    tokenizer = tokenizer_of(kind)
    prompts = [Prompt(BEFORE, sentence, AFTER) for sentence in SENTENCES]
    prompts += [Prompt("", SENTENCES[0], ""), Prompt(" ", "  둘  ", "\n\n"), Prompt("x", "", "y")]
    rows = prompt_rows(prompts, tokenizer, 512, "abcdefg", chat)
    assert [row.tolist() for row in rows] == [theirs(tokenizer, p, chat) for p in prompts]
    assert rows.lengths.tolist() == [len(row) for row in rows]
    assert rows.token_ids.dtype == np.uint16 and rows.offsets.dtype == np.int64
    assert len(rows) == 7 and rows[-1].tolist() == rows[6].tolist()


TEMPLATES = {
    "no special token": "USER: {{ messages[0]['content'] }}\nASSISTANT:",
    "one before": "<|user|> {{ messages[0]['content'] }} ->",
    "one after": "{{ messages[0]['content'] }}<|answer|>",
    "one after, and text": "Q: {{ messages[0]['content'] }}\n\n<|answer|> ",
    "trimmed": "<|user|>\n{{ messages[0]['content'] | trim }}</s>\n<|answer|>\n",
    "a role": CHAT,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_any_chat_template_is_read_as_the_tokenizer_reads_it(kind, template):
    tokenizer = tokenizer_of(kind, TEMPLATES[template])
    for prompt in (Prompt(BEFORE, SENTENCES[1], AFTER), Prompt("  읽고: ", "둘", " 셋? \n")):
        assert row_of(prompt, tokenizer, chat=True) == theirs(tokenizer, prompt, True)


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_text_that_looks_like_a_special_token_stays_text(kind, chat):
    tokenizer = tokenizer_of(kind)
    prompt = Prompt("<|user|>", "그는 </s><s> 라고", "<|answer|> 국밥:")
    special = {tokenizer.convert_tokens_to_ids(token) for token in SPECIALS} - {
        tokenizer.unk_token_id
    }
    row, bare = (row_of(text, tokenizer, chat=chat) for text in (prompt, Prompt("", "", "")))
    count = [sum(id in special for id in ids) for ids in (row, bare)]
    assert count[0] == count[1] == (4 if chat else 1)
    if kind in BYTES:
        assert prompt.text in tokenizer.decode(row)


def test_a_template_that_writes_the_date_gives_the_same_row_on_any_day():
    day = "{{ strftime_now('%Y-%m-%d') }}, {% set d = strftime_now('%-d %b') %}{{ d }}"
    text = f"<|user|>{day}\n{{{{ messages[0]['content'] }}}}<|answer|>"
    frame = prompt_frame(tokenizer_of("gpt2", text), chat=True)
    assert frame.head == "2024-07-26, 26 Jul\n"


@pytest.mark.parametrize(
    ("template", "what"),
    [
        (None, "no chat template"),
        ("<|user|>", "does not show the user's message"),
        ("{{ messages[0]['content'] }}{{ messages[0]['content'] }}", "does not show"),
        ("{{ raise_exception('no user here') }}", "cannot be used"),
        ("{{ messages[0]['content'] ", "cannot be used"),
    ],
)
def test_a_chat_template_that_is_missing_or_of_no_use_is_a_fault(template, what):
    with pytest.raises(InputError, match=what) as caught:
        row_of(Prompt("", "가", ""), tokenizer_of("gpt2", template), chat=True)
    assert [fault.where for fault in caught.value.faults] == ["decoder.chat"]


@st.composite
def long_prompts(draw):
    words = st.text(st.sampled_from("가나국밥ab ,.(🙂ᄒ\n"), max_size=200)
    text = draw(st.one_of(st.just(LONG), words, st.just(LONG.replace(" ", ""))))
    keep = []
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        keep.append(Span(start, draw(st.integers(start, min(start + 20, len(text))))))
    return Prompt(BEFORE, text, AFTER, tuple(keep))


@settings(deadline=None, max_examples=200)  # the first example of each kind trains a tokenizer
@given(st.data())
def test_a_window_cuts_the_sentence_alone(data):
    kind, chat = data.draw(st.sampled_from(KINDS)), data.draw(st.booleans())
    tokenizer, prompt = tokenizer_of(kind), data.draw(long_prompts())
    frame = prompt_frame(tokenizer, chat=chat)
    (whole,) = fitted([prompt], frame, 10_000)
    max_length = data.draw(st.integers(8, len(whole.token_ids) + 3))
    (found,) = fitted([prompt], frame, max_length)
    if not isinstance(found, Fitted):
        needed = int(found.received.split()[0])
        assert needed > max_length
        (least,) = fitted([prompt], frame, needed)
        assert isinstance(least, Fitted) and len(least.token_ids) <= needed
        return
    shown = found.prompt
    assert len(found.token_ids) <= max_length
    assert (shown.before, shown.after) == (BEFORE, AFTER)
    assert shown.sentence in prompt.sentence
    kept = [span.of(prompt.sentence) for span in prompt.keep]
    assert [span.of(shown.sentence) for span in shown.keep] == kept
    assert found.token_ids == theirs(tokenizer, shown, chat)
    if kind in ("gpt2", "llama3"):
        hull = prompt.sentence[
            min((span.start for span in prompt.keep), default=0) : max(
                (span.end for span in prompt.keep), default=0
            )
        ]
        decoded = tokenizer.decode(found.token_ids)
        assert hull in decoded and BEFORE in decoded and AFTER in decoded
    if len(whole.token_ids) <= max_length:
        assert found == Fitted(prompt, whole.token_ids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_is_used_well_evenly_and_at_the_borders_of_words(kind):
    tokenizer, frame = tokenizer_of(kind), prompt_frame(tokenizer_of(kind))
    sentence = " ".join(["어제 먹은 국밥은"] * 40 + ["첼시를"] + ["주인은 무서웠다."] * 40)
    at = sentence.index("첼시를")
    prompt = Prompt(BEFORE, sentence, AFTER, (Span(at, at + 2),))
    for max_length in range(90, 180, 10):
        (found,) = fitted([prompt], frame, max_length)
        shown = found.prompt.sentence
        assert max_length - 2 * LOST <= len(found.token_ids) <= max_length
        assert f" {shown} " in f" {sentence} "  # whole words
        left, right = (len(tokenizer.tokenize(part)) for part in shown.split("첼시를"))
        assert abs(left - right) <= 2 * LOST
    near = replace(prompt, keep=(Span(0, 2),))
    (found,) = fitted([near], frame, 120)
    assert found.prompt.sentence.startswith("어제 먹은") and len(found.token_ids) >= 120 - LOST


def test_a_sentence_without_spaces_is_cut_between_whole_characters():
    tokenizer, frame = tokenizer_of("gpt2"), prompt_frame(tokenizer_of("gpt2"))
    prompt = Prompt(BEFORE, "뷁힣쀍" * 60, AFTER, (Span(90, 91),))
    for max_length in range(80, 140):
        (found,) = fitted([prompt], frame, max_length)
        assert max_length - 6 <= len(found.token_ids) <= max_length  # three bytes a letter, twice
        assert "\ufffd" not in tokenizer.decode(found.token_ids)


def test_prompts_that_cannot_fit_are_errors_all_at_once():
    prompts = [Prompt(BEFORE, LONG, AFTER, (Span(0, len(LONG)),)), Prompt(BEFORE, "가", AFTER)]
    with pytest.raises(InputError) as caught:
        prompt_rows([*prompts, prompts[0]], tokenizer_of("gpt2"), 100, ["12", "13", "x7"])
    assert [fault.where for fault in caught.value.faults] == ["row 12", "row x7"]
    fault = caught.value.faults[0]
    length = int(fault.received.split()[0])
    assert length > 100 and "100 tokens" in fault.allowed
    assert f"--set tokens.max_length={length}" in fault.next_step
    assert len(row_of(prompts[0], tokenizer_of("gpt2"), length)) == length


def test_a_whole_sentence_keeps_its_beginning():
    (found,) = fitted([Prompt(BEFORE, LONG, AFTER)], prompt_frame(tokenizer_of("gpt2")), 120)
    assert LONG.startswith(found.prompt.sentence) and len(found.prompt.sentence) > 20


def test_many_rows_are_the_single_ones_in_order(monkeypatch):
    monkeypatch.setattr("relx.data.prompts.prompt_rows.CHUNK", 3)
    prompts = [Prompt(f"{i}", LONG[i:], AFTER, (Span(3, 5),)) for i in range(8)]
    rows = prompt_rows(iter(prompts), tokenizer_of("llama3"), 60, map(str, range(8)))
    assert [row.tolist() for row in rows] == [
        row_of(p, tokenizer_of("llama3"), 60) for p in prompts
    ]
    assert len(prompt_rows([], tokenizer_of("llama3"), 60, [])) == 0


def flat(rows):
    lengths = np.cumsum([0, *map(len, rows)])
    return PromptRows(np.array([id for row in rows for id in row], np.uint16), lengths)


def by_hand(rows):
    n = 0
    while all(len(row) > n + 1 for row in rows) and len({row[n] for row in rows}) == 1:
        n += 1
    return n


@given(
    st.lists(st.integers(0, 1), max_size=2 * COLUMNS + 3),
    st.lists(st.lists(st.integers(0, 1), max_size=4), min_size=1, max_size=5),
)
def test_the_common_beginning_is_the_one_found_by_hand(shared, rest):
    rows = [[*shared, *row] or [0] for row in rest]
    assert common_prefix(flat(rows)) == by_hand(rows)


def test_no_rows_have_no_common_beginning():
    assert common_prefix(flat([])) == 0


def test_the_instruction_is_the_common_beginning_of_a_task_s_prompts():
    show = prompter(MarkersSection(style="none"), None, ["기쁨", "슬픔"])
    rows = [TargetRow("a", text, Target("x", Span(0, 1)), None) for text in ("가나", "나가")]
    found = prompt_rows_of(rows, show, tokenizer_of("gpt2"), 512)
    shared = tokenizer_of("gpt2").decode(found[0][: common_prefix(found)])
    assert "보기: 기쁨, 슬픔\n\n글:" in shared
