"""Label words: one token each, right after the prompt, or a message that proposes others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_tokenizers import BYTES, KINDS, tokenizer_of

from relx.data.prompts.label_words import after_prompt, confusable, label_tokens, word_pieces
from relx.data.prompts.prompt import Prompt
from relx.data.tokenizing.vocabulary import Vocabulary
from relx.faults import InputError

PROMPTS = [Prompt("글을 읽고 ", text, "\n알맞은 말:") for text in ("국밥은 좋았다", "주인은")]
WORDS = ["기쁨", "슬픔", "놀람"]


def faults(kind, words, prompts=PROMPTS, **options):
    with pytest.raises(InputError) as caught:
        label_tokens(
            tokenizer_of(kind), words, prompts, [f"l{w.strip()}" for w in words], **options
        )
    return caught.value.faults


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("words", [WORDS, [f" {word}" for word in WORDS]])
def test_each_word_is_the_token_that_the_tokenizer_gives_it(kind, words):
    tokenizer = tokenizer_of(kind)
    ids = label_tokens(tokenizer, words, PROMPTS, WORDS)
    for id, word in zip(ids, WORDS, strict=True):
        text = f"{PROMPTS[0].text} {word}"
        assert tokenizer(text, add_special_tokens=False).input_ids[-1] == id
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("word", "prompt", "appended"),
    [
        ("기쁨", "말:", " 기쁨"),
        (" 기쁨", "말:", " 기쁨"),
        ("기쁨", "말: ", "기쁨"),
        ("기쁨", "말:\n", "기쁨"),
        (" 기쁨", "말:\n", " 기쁨"),
        ("기쁨", "", "기쁨"),
    ],
)
def test_one_space_goes_between_where_there_is_none(word, prompt, appended):
    assert after_prompt(word, prompt) == appended


@pytest.mark.parametrize("kind", ["gpt2", "llama3", "metaspace_first"])
def test_in_a_chat_the_word_follows_the_beginning_of_the_answer(kind):
    tokenizer = tokenizer_of(kind, "<|user|>{{ messages[0]['content'] }}<|answer|>")
    (id,) = label_tokens(tokenizer, ["기쁨"], PROMPTS, ["joy"], chat=True)
    message = [{"role": "user", "content": PROMPTS[0].text}]
    text = tokenizer.apply_chat_template(message, tokenize=False)
    assert tokenizer(f"{text} 기쁨", add_special_tokens=False).input_ids[-1] == id
    (pieces,) = word_pieces(tokenizer, ["기쁨"], PROMPTS, chat=True)
    assert (pieces.text, pieces.token_ids, pieces.good) == (" 기쁨", (id,), True)


def test_every_wrong_word_is_said_at_once_with_its_label_and_pieces():
    found = faults("llama3", ["기쁨", "주인공", "무서움"])
    assert [fault.where for fault in found] == ["decoder.words: l주인공", "decoder.words: l무서움"]
    assert "tokens, not one" in found[0].what
    assert "주인" in found[0].received and "␣" in found[0].received
    assert all("decoder.head=new" in fault.next_step for fault in found)


@pytest.mark.parametrize("kind", KINDS)
def test_proposed_words_are_good(kind):
    (fault,) = faults(kind, ["기쁨", "슬픔이"])
    step = fault.next_step.split("; or ")[0]
    assert step.startswith("write ")
    for word in step.removeprefix("write ").split(" or "):
        assert label_tokens(tokenizer_of(kind), ["기쁨", word.strip("'")], PROMPTS, ["a", "b"])
    assert "'슬픔'" in step


def test_where_nothing_fits_a_token_of_its_own_is_the_next_step():
    (fault,) = faults("wordpiece", ["🙂"])
    assert fault.next_step.startswith("set decoder.head=new")
    assert fault.what == "the vocabulary has no piece of the word"


def test_words_may_not_share_a_token():
    (fault,) = faults("gpt2", ["기쁨", " 기쁨"])
    assert (fault.what, fault.where) == (
        "the word is the same token as that of l기쁨",
        "decoder.words: l기쁨",
    )


def test_a_word_may_not_change_the_prompt():
    (fault,) = faults("gpt2", ["기쁨"], [Prompt("", "국밥", " 말: ")])
    assert fault.what == "the word changes the tokens of the prompt before it"
    assert fault.next_step.startswith("end decoder.prompt in another character")


def test_a_word_that_is_one_token_after_some_prompts_alone_is_a_fault():
    ends = [Prompt("", "국밥", "말:"), Prompt("", "국밥", "말:\n")]
    (fault,) = faults("gpt2", ["기쁨"], ends)
    assert fault.what
    assert faults("gpt2", ["기쁨"], ends[::-1])


@pytest.mark.parametrize("text", ["</s>", "<|user|>", "<unk>"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_special_token_is_no_word(kind, text):
    assert faults(kind, [text])


def test_without_a_prompt_no_word_is_read():
    with pytest.raises(ValueError, match="there is none"):
        label_tokens(tokenizer_of("gpt2"), WORDS, [], WORDS)


def test_an_empty_word_is_a_fault():
    (fault,) = faults("gpt2", [""])
    assert fault.what


@settings(deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_words_give_distinct_tokens_or_faults(kind, words):
    labels = [str(n) for n in range(len(words))]
    try:
        ids = label_tokens(tokenizer_of(kind), words, PROMPTS, labels)
    except InputError as error:
        wheres = [fault.where for fault in error.faults]
        assert len(set(wheres)) == len(wheres) <= len(words)
        return
    assert len(set(ids)) == len(words)
    assert not set(ids) & set(tokenizer_of(kind).all_special_ids)


def test_pieces_are_shown_as_people_read_them():
    shown = {kind: word_pieces(tokenizer_of(kind), ["기뷁"], PROMPTS)[0].pieces for kind in KINDS}
    assert "".join(shown["llama3"]).startswith("␣") and "Ġ" not in "".join(shown["llama3"])
    assert any(piece.startswith("‹") for piece in shown["gpt2"])
    assert any(piece.startswith("‹") for piece in shown["llama2"])
    assert word_pieces(tokenizer_of("wordpiece"), ["국밥은은"], PROMPTS)[0].pieces[-1] == "##은"


@given(st.sampled_from(BYTES[:2]), st.text(max_size=20))
@settings(deadline=None)
def test_bytes_are_read_back(kind, text):
    tokenizer = tokenizer_of(kind)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    plain = text.replace(" ", "␣").replace("\n", "⏎")
    read = "".join(Vocabulary(tokenizer).shown(ids))
    if "‹" not in read and "<" not in text:
        assert read == plain


@pytest.mark.parametrize("kind", KINDS)
def test_the_texts_of_a_vocabulary_are_those_that_give_its_tokens(kind):
    texts = Vocabulary(tokenizer_of(kind)).texts()
    assert " 기쁨" in texts and not any("Ġ" in text or "▁" in text for text in texts)
    assert texts[" 기쁨"] == label_tokens(tokenizer_of(kind), ["기쁨"], PROMPTS, ["joy"])[0]


def test_confusable_words_are_named():
    pairs = {
        (a, b): how for a, b, how in confusable(["기쁨", " 기쁨", "큰 기쁨", "Joy", "joy", "기"])
    }
    assert pairs[("기쁨", " 기쁨")] == "is the other, but for spaces"
    assert pairs[("기쁨", "큰 기쁨")] == "is a part of the other"
    assert pairs[("Joy", "joy")] == "is the other, but for capital letters"
    assert pairs[("기쁨", "기")] == "begins with the other"
    assert confusable(["기쁨", "슬픔"]) == []
