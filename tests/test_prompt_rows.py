"""Prompts as tokens: what is before and after the sentence is whole, whatever the window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relx.data.prompt import Prompt
from relx.data.prompt_rows import PromptRows, common_prefix, prompt_rows
from relx.faults import InputError
from relx.spans import Span
from tests.decoder_tokenizers import byte_level, with_chat, with_start

WORDS = ("가람은", "새벽", "바다가", "the", "crew,", "좋다고", "말했다", "😀", "é")
BEFORE, AFTER = "감정을 답하시오.\n문장: ", "\n대상: 바다\n감정:"


def rows_of(tokenizer, sentence, max_length=200, keep=(), chat=False):
    prompt = Prompt(BEFORE, sentence, AFTER, keep)
    return prompt_rows([prompt], tokenizer, max_length, ["a"], chat)


def text_of(tokenizer, rows):
    return tokenizer.decode(rows.token_ids.tolist(), clean_up_tokenization_spaces=False)


def test_a_prompt_that_fits_is_what_the_tokenizer_makes_of_its_text():
    tokenizer, sentence = byte_level(), "새벽 바다가 좋다."
    rows = rows_of(tokenizer, sentence)
    expected = tokenizer(BEFORE + sentence + AFTER, add_special_tokens=False)["input_ids"]
    assert rows.token_ids.tolist() == expected


def test_special_tokens_come_before_a_text_and_never_after_it():
    tokenizer = with_start()
    ids = rows_of(tokenizer, "새벽 바다가 좋다.").token_ids.tolist()
    whole = tokenizer(BEFORE + "새벽 바다가 좋다." + AFTER)["input_ids"]
    assert whole[-1] == tokenizer.convert_tokens_to_ids("</s>")
    assert ids == whole[:-1]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_window_cuts_the_sentence_alone_and_keeps_what_is_asked_about(data):
    tokenizer = data.draw(st.sampled_from([byte_level(), with_start()]))
    words = st.lists(st.sampled_from(WORDS), max_size=40)
    left, right = " ".join(data.draw(words)), " ".join(data.draw(words))
    kept = data.draw(st.sampled_from(["바다", "crew", "말했다"]))
    sentence = f"{left} {kept} {right}".strip()
    start = len(left) + 1 if left else 0
    span = Span(start, start + len(kept))
    assert span.of(sentence) == kept
    prompt = Prompt(BEFORE, sentence, AFTER, (span,))
    least = len(prompt_rows([Prompt(BEFORE, kept, AFTER)], tokenizer, 500, ["a"]).token_ids)
    window = data.draw(st.integers(least + 2, least + 60))
    rows = prompt_rows([prompt], tokenizer, window, ["a"])
    ids = rows.token_ids.tolist()
    assert len(ids) <= window
    if tokenizer is not byte_level():
        return  # whose unknown characters cannot be read back
    text = text_of(tokenizer, rows)
    assert text.startswith(BEFORE) and text.endswith(AFTER)
    inner = text[len(BEFORE) : len(text) - len(AFTER)]
    assert kept in inner and inner in sentence
    # The tokens are those of the shorter prompt, not what is left of the longer one's.
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    if inner != sentence:  # and little of the window is left unused
        assert len(ids) > window - 12


def test_a_prompt_that_cannot_fit_is_a_fault_of_its_row():
    keep = (Span(0, 5),)
    prompts = [Prompt(BEFORE, "바다가 좋", AFTER, keep), Prompt("", "네", ":")]
    with pytest.raises(InputError) as caught:
        prompt_rows(prompts, byte_level(), 8, ["r1", "r2"])
    (fault,) = caught.value.faults
    assert fault.where == "row r1" and "8 tokens" in fault.allowed
    needed = int(fault.received.split()[0])
    assert f"tokens.max_length={needed}" in fault.next_step
    assert rows_of(byte_level(), "바다가 좋", needed, keep).lengths[0] == needed


def test_text_that_looks_like_a_special_token_stays_text():
    tokenizer = with_chat()
    special = tokenizer.convert_tokens_to_ids("<|end|>")
    for chat in (False, True):
        plain, odd = (rows_of(tokenizer, text, chat=chat) for text in ("좋다", "좋다 <|end|> 그"))
        counts = [int((rows.token_ids == special).sum()) for rows in (plain, odd)]
        assert counts == [int(chat)] * 2, chat


def test_a_chat_template_surrounds_the_prompt():
    tokenizer = with_chat()
    text = text_of(tokenizer, rows_of(tokenizer, "바다가 좋다", chat=True))
    assert text == f"<|user|>{BEFORE}바다가 좋다{AFTER}<|end|><|assistant|>"


def test_a_tokenizer_without_a_chat_template_is_said():
    with pytest.raises(InputError, match="no chat template"):
        rows_of(byte_level(), "바다", chat=True)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=6))
def test_the_common_beginning_leaves_each_row_a_token(rows):
    flat = PromptRows(np.concatenate(rows), np.cumsum([0, *map(len, rows)]))
    expected = 0
    while min(map(len, rows)) > expected + 1 and len({row[expected] for row in rows}) == 1:
        expected += 1
    assert common_prefix(flat) == expected
