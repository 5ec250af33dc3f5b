"""A row as a decoder is asked about it: a sentence in a text that a label word goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relx.data.marked import MarkedText
from relx.faults import Fault, InputError, shorten
from relx.recipe import MarkersSection
from relx.spans import Span
from relx.template import check_prompt, fill_query

SENTENCE = "{sentence}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A filled template around a sentence.

    Args:
        before: What comes before the sentence, such as an instruction.
        sentence: The sentence, with markers where it has some; the one part that may be shortened.
        after: What comes after it, such as a question; the label word is what comes next.
        keep: Characters of `sentence` that must stay, with all between them: the words that the
            task asks about, with their markers. Empty where the whole sentence is meant.
    """

    before: str
    sentence: str
    after: str
    keep: tuple[Span, ...] = ()

    @property
    def text(self) -> str:
        """The whole text."""
        return f"{self.before}{self.sentence}{self.after}"


def require_prompt(
    template: str, placeholders: Sequence[str], required: Sequence[str], markers: MarkersSection
) -> None:
    """Refuses a prompt that cannot be filled in, or that a query stands beside.

    Args:
        template: The prompt.
        placeholders: The names that its task fills in.
        required: Those that every prompt of the task needs.
        markers: The recipe's section.

    Raises:
        InputError: All that is amiss.
    """
    faults = check_prompt(template, placeholders, required)
    if markers.query is not None:
        what = "a prompt has no second segment, which a query would be"
        step = "set it to null, and ask the question in decoder.prompt"
        faults.append(Fault(what, "markers.query", shorten(markers.query), "null", step))
    if faults:
        raise InputError(*faults)


def prompt_of(template: str, shown: MarkedText, values: Mapping[str, str]) -> Prompt:
    """Fills a template for a row.

    Args:
        template: A prompt that `require_prompt` lets through.
        shown: The row's sentence with markers; a second segment is left out.
        values: The text of each placeholder but `sentence`.

    Returns:
        The prompt. No placeholder is looked for in the sentence or in a value.
    """
    before, _, after = template.partition(SENTENCE)
    words = (span for span in shown.spans if span is not None)
    keep = (*words, *shown.inserted)
    return Prompt(fill_query(before, values), shown.text, fill_query(after, values), keep)


def listed(labels: Sequence[str]) -> str:
    """Returns label words as a prompt shows them, for `{labels}`."""
    return ", ".join(label.strip() for label in labels)
