"""One raw sentence: a word is found by letters, and an ambiguous one is never guessed."""

import pytest

from relx.faults import InputError
from relx.tasks.relation.sentence import example_of

SENTENCE = "가람은 가람시의 시장이다."


def test_a_word_that_stands_once_needs_no_index():
    example = example_of(SENTENCE, ("가람시", "LOC", None), ("시장", "POH", None))
    assert example.subject.span.of(SENTENCE) == "가람시"
    assert example.object.span == (9, 11)
    assert example.label is None


def test_an_index_chooses_among_several():
    example = example_of(SENTENCE, ("가람", "PER", 4), ("시장", "POH", None))
    assert example.subject.span == (4, 6)


@pytest.mark.parametrize(
    ("mention", "words"),
    [
        (("가람", "PER", None), ["2 times", "--subject-index", "0, 4"]),
        (("나루", "PER", None), ["is not in the sentence", "나루"]),
        (("가람", "PER", 3), ["not at this index", "3"]),
        (("", "PER", None), ["is not in the sentence"]),
    ],
)
def test_a_fault_says_what_to_do(mention, words):
    with pytest.raises(InputError) as caught:
        example_of(SENTENCE, mention, ("시장", "POH", None))
    assert all(word in str(caught.value) for word in words)


def test_both_faults_are_said_at_once():
    with pytest.raises(InputError) as caught:
        example_of(SENTENCE, ("나루", "PER", None), ("바다", "LOC", None))
    assert len(caught.value.faults) == 2
