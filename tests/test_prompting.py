"""Which prompts are looked at for label words: one of each ending, however late it comes."""

import pytest
from prompt_tokenizers import tokenizer_of

from relx.data.labels import LabelList
from relx.data.prompts.prompt import Prompt
from relx.family.prompting import ENDINGS, checked_label_tokens, different_endings
from relx.faults import InputError
from relx.recipe_file import recipe_from_tree


def prompts(count, late="말:"):
    """Many prompts that end in one word, but for one of the last."""
    ends = ["말:"] * count
    ends[-3] = late
    return [
        Prompt("", f"{i}번째 가게의 국밥은 언제나 따뜻하고 참으로 맛이 있는 음식이었다. ", end)
        for i, end in enumerate(ends)
    ]


def recipe():
    decoder = {"from": {"fresh": {"layers": 1, "hidden": 32, "heads": 2}}}
    tree = {"name": "a", "task": "target", "decoder": decoder}
    return recipe_from_tree(tree)


def test_one_of_each_ending_is_chosen_the_first():
    every = prompts(500, late="말:\n")
    assert different_endings(every) == [every[0], every[-3]]
    assert len(different_endings(Prompt("", str(i), ":") for i in range(3 * ENDINGS))) == ENDINGS


def test_a_word_that_does_not_follow_a_late_prompt_is_a_fault():
    labels = LabelList(("기쁨", "슬픔"), None)
    tokenizer = tokenizer_of("gpt2")
    assert len(checked_label_tokens(recipe(), labels, prompts(500), tokenizer)) == 2
    with pytest.raises(InputError):
        checked_label_tokens(recipe(), labels, prompts(500, late="말:\n"), tokenizer)
