"""Prompts about two entities: a sentence, the entities, and the question how they are related."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relx.data.prompt import Prompt
from relx.faults import InputError
from relx.recipe import MarkersSection
from relx.tasks.relation.markers import mark
from relx.tasks.relation.rows import Example
from relx.template import check_prompt, fill_query, parted_prompt

PLACEHOLDERS = ("sentence", "subject", "object", "subject_type", "object_type", "labels")
NEEDED = ("sentence", "subject", "object")
# The instruction is first, since what all prompts begin with is computed once.
PROMPT = (
    "문장을 읽고, 주체와 객체가 어떤 관계인지 답하시오.\n\n"
    "문장: {sentence}\n주체: {subject}\n객체: {object}\n관계:"
)


def prompter(
    template: str | None, words: Sequence[str], markers: MarkersSection
) -> Callable[[Example], Prompt]:
    """Returns what makes a prompt of a row.

    Args:
        template: The prompt of a recipe; None for `PROMPT`.
        words: The labels' words, which `{labels}` lists.
        markers: How the entities are shown in the sentence.

    Returns:
        A function from a row to its prompt.

    Raises:
        InputError: The template lacks a slot, or has one that cannot be filled in.
    """
    template = PROMPT if template is None else template
    if fault := check_prompt(template, PLACEHOLDERS, NEEDED):
        raise InputError(fault)
    before, after = parted_prompt(template)
    listed = ", ".join(word.strip() for word in words)

    def prompt(row: Example) -> Prompt:
        values = {
            "subject": row.subject.word,
            "object": row.object.word,
            "subject_type": row.subject.type,
            "object_type": row.object.type,
            "labels": listed,
        }
        shown = mark(row, markers, "")
        keep = (*(span for span in shown.spans if span is not None), *shown.inserted)
        return Prompt(fill_query(before, values), shown.text, fill_query(after, values), keep)

    return prompt
