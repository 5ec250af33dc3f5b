"""Label words: one token each right after the prompt, or a message that says what they are."""

from __future__ import annotations

import pytest

from relx.data.label_words import after_prompt, confusable, cut_words, label_tokens
from relx.data.prompt import Prompt
from relx.faults import InputError
from tests.decoder_tokenizers import byte_level, with_start

PROMPT = Prompt("문장: ", "바다가 좋다", "\n감정:")


@pytest.mark.parametrize("tokenizer", [byte_level(), with_start()], ids=["bytes", "metaspace"])
def test_each_word_is_the_token_that_follows_the_prompt(tokenizer):
    tokens = label_tokens(tokenizer, ["기쁨", "슬픔"], [PROMPT], ["joy", "sadness"])
    for word, token in zip(("기쁨", "슬픔"), tokens, strict=True):
        whole = tokenizer(f"{PROMPT.text} {word}", add_special_tokens=False)["input_ids"]
        assert whole[-1] == token
        bare = tokenizer(PROMPT.text, add_special_tokens=False)["input_ids"]
        assert whole[:-1] == bare


def test_a_space_goes_between_where_there_is_none():
    assert after_prompt("기쁨", "감정:") == " 기쁨"
    assert after_prompt("기쁨", "감정: ") == after_prompt("기쁨", "감정:\n") == "기쁨"
    assert after_prompt(" 기쁨", "감정:") == " 기쁨"


def test_all_wrong_words_are_said_at_once_with_their_pieces_and_what_to_do():
    words = ["기쁨", "기쁨", "joyful 슬픔"]
    with pytest.raises(InputError) as caught:
        label_tokens(byte_level(), words, [PROMPT], ["a", "b", "c"])
    several, same = caught.value.faults
    assert several.where == "decoder.words: c" and "tokens after the prompt" in several.what
    assert "' joy'" in several.received and "joy" in several.next_step
    assert "decoder.head=new" in several.next_step
    assert same.where == "decoder.words: b" and "one and the same token" in same.what


def test_parts_of_characters_are_shown_as_the_tokenizer_stores_them():
    (word,) = cut_words(byte_level(), ["뷁"], PROMPT.after, ["odd"])
    assert len(word.ids) > 1 and not any("\ufffd" in piece for piece in word.pieces)


def test_a_word_that_changes_the_prompts_tokens_is_said():
    # The space at the prompt's end would be the word's: the prompt's last token is another then.
    with pytest.raises(InputError) as caught:
        label_tokens(byte_level(), ["기쁨"], [Prompt("", "바다", "\n감정: ")], ["joy"])
    (fault,) = caught.value.faults
    assert "changes the tokens of the prompt" in fault.what and "end the prompt" in fault.next_step


def test_prompts_that_end_differently_must_agree_on_the_tokens():
    prompts = [PROMPT, Prompt("", "바다", "\n감정: ")]
    with pytest.raises(InputError) as caught:
        label_tokens(byte_level(), ["기쁨"], prompts, ["joy"])
    assert caught.value.faults


def test_confusable_pairs_begin_alike():
    cut = cut_words(byte_level(), ["기쁨", "기쁨이", "슬픔"], PROMPT.after, ["a", "b", "c"])
    assert confusable(cut) == [("a", "b")]
