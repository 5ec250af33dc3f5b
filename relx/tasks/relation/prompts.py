"""Prompts about the relation of two entities, for decoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relx.data.prompts.prompt import Prompt, listed, prompt_of, require_prompt
from relx.recipe import MarkersSection
from relx.tasks.relation.markers import PLACEHOLDERS as OF_ENTITIES
from relx.tasks.relation.markers import mark, values_of
from relx.tasks.relation.rows import Example

PLACEHOLDERS = ("sentence", *OF_ENTITIES, "labels")
REQUIRED = ("sentence", "subject", "object")
# What is the same in every row comes first: a batch computes its common beginning once.
PROMPT = """\
글을 읽고, 뒤의 개체가 앞의 개체에 대해 갖는 관계를 보기에서 골라 쓰시오.
보기: {labels}

글: {sentence}
앞의 개체: {subject} ({subject_type})
뒤의 개체: {object} ({object_type})
관계:"""


def prompter(
    markers: MarkersSection, template: str | None, labels: Sequence[str]
) -> Callable[[Example], Prompt]:
    """Makes what shows rows to a decoder.

    Args:
        markers: How the entities are marked in the sentence; `none` leaves the sentence as it is.
        template: The prompt; None for `PROMPT`.
        labels: The label words.

    Returns:
        What makes a row's prompt, types as Korean words.

    Raises:
        InputError: The template cannot be filled in, or the markers have a query.
    """
    asked = PROMPT if template is None else template
    require_prompt(asked, PLACEHOLDERS, REQUIRED, markers)
    words = listed(labels)

    def prompt(row: Example) -> Prompt:
        # The separator would stand in a second segment alone, which a prompt leaves out.
        return prompt_of(asked, mark(row, markers, ""), values_of(row) | {"labels": words})

    return prompt
