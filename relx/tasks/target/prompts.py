"""Prompts about a target, for decoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relx.data.prompts.prompt import Prompt, listed, prompt_of, require_prompt
from relx.recipe import MarkersSection
from relx.tasks.target.markers import mark, word_of
from relx.tasks.target.rows import TargetRow

PLACEHOLDERS = ("sentence", "target", "labels")
REQUIRED = ("sentence", "target")
# What is the same in every row comes first: a batch computes its common beginning once.
PROMPT = """\
글을 읽고, 글에 나온 대상에 알맞은 말을 보기에서 골라 쓰시오.
보기: {labels}

글: {sentence}
대상: {target}
알맞은 말:"""


def prompter(
    markers: MarkersSection, template: str | None, labels: Sequence[str]
) -> Callable[[TargetRow], Prompt]:
    """Makes what shows rows to a decoder.

    Args:
        markers: How the target is marked in the sentence; `none` leaves the sentence as it is.
        template: The prompt; None for `PROMPT`.
        labels: The label words.

    Returns:
        What makes a row's prompt; "이 문장" stands for a target that is the whole sentence.

    Raises:
        InputError: The template cannot be filled in, or the markers have a query.
    """
    asked = PROMPT if template is None else template
    require_prompt(asked, PLACEHOLDERS, REQUIRED, markers)
    words = listed(labels)

    def prompt(row: TargetRow) -> Prompt:
        return prompt_of(asked, mark(row, markers), {"target": word_of(row), "labels": words})

    return prompt
