"""Where a run's encoder looks in a sentence with a target."""

from __future__ import annotations

from pathlib import Path

from relx.attention import SentenceAttention, from_pooled
from relx.look.attention.page import Words, write_page_of
from relx.look.attention.plots import View, heads_plot
from relx.look.plots import Plot

WHOLE = "the whole sentence"


def write_attention(out: Path, attention: SentenceAttention, view: View) -> None:
    """Writes the page of a sentence, and its heat maps beside it.

    Args:
        out: The page to write.
        attention: The sentence; where it has no target, there is no plot of what goes to it.
        view: What the page shows first; a layer or head gets a plot of its own.

    Raises:
        InputError: The page or the folder cannot be written.
    """
    target = attention.example.target
    plots = [target_plot(attention)] if attention.words else []
    title = WHOLE if target is None else target.word
    write_page_of(out, attention, view, Words(title, "label", "target/attention.html", plots))


def target_plot(attention: SentenceAttention) -> Plot:
    """Draws how much each head looks at the target from what the labels are predicted from."""
    return heads_plot(
        name="target",
        title="Weight to the target from what is pooled, percent",
        numbers=from_pooled(attention.weights, attention.pooled, attention.words["target"]),
        note="What a token that the label head reads gives to all of the target's: the mean.",
    )
