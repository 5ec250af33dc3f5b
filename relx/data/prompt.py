"""A sentence in a question: what a decoder is asked, whose last token's state is read."""

from __future__ import annotations

from dataclasses import dataclass

from relx.spans import Span


@dataclass(frozen=True, slots=True)
class Prompt:
    """A filled template around a sentence.

    Args:
        before: What comes before the sentence.
        sentence: The sentence, perhaps with markers.
        after: What comes after it; the answer follows.
        keep: Characters of `sentence` that a window never cuts.
    """

    before: str
    sentence: str
    after: str
    keep: tuple[Span, ...] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return self.before + self.sentence + self.after


def kept_span(prompt: Prompt) -> Span | None:
    """Returns what a window has to leave whole: from the first span to the end of the last."""
    if not prompt.keep:
        return None
    return Span(min(s.start for s in prompt.keep), max(s.end for s in prompt.keep))
