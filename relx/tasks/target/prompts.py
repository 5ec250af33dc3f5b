"""Prompts about a target: a sentence, the target, and the question what is felt about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relx.data.prompt import Prompt
from relx.faults import InputError
from relx.recipe import MarkersSection
from relx.tasks.target.markers import STYLES, WHOLE, mark
from relx.tasks.target.rows import TargetRow
from relx.template import check_prompt, fill_query, parted_prompt

PLACEHOLDERS = ("sentence", "target", "labels")
NEEDED = ("sentence", "target")
# The instruction is first, since what all prompts begin with is computed once.
PROMPT = (
    "문장을 읽고, 대상에 대해 드러나는 감정을 한 낱말로 답하시오.\n\n"
    "문장: {sentence}\n대상: {target}\n감정:"
)


def prompter(
    template: str | None, words: Sequence[str], markers: MarkersSection
) -> Callable[[TargetRow], Prompt]:
    """Returns what makes a prompt of a row.

    Args:
        template: The prompt of a recipe; None for `PROMPT`.
        words: The labels' words, which `{labels}` lists.
        markers: How the target is shown in the sentence; where it is the whole sentence, "이 문장"
            stands for it.

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
    marks = markers.style in STYLES

    def prompt(row: TargetRow) -> Prompt:
        word = WHOLE if row.target is None else row.target.word
        values = {"target": word, "labels": listed}
        sentence, keep = row.sentence, row.spans
        if marks and row.target is not None:
            shown = mark(row, markers)
            sentence, keep = shown.text, shown.inserted
        return Prompt(fill_query(before, values), sentence, fill_query(after, values), keep)

    return prompt
