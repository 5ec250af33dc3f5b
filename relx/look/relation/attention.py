"""Where a run's encoder looks in a sentence with two entities."""

from __future__ import annotations

from pathlib import Path

from relx.attention import SentenceAttention, between
from relx.look.attention.page import Words, write_page_of
from relx.look.attention.plots import View, heads_plot
from relx.look.plots import Plot


def write_attention(out: Path, attention: SentenceAttention, view: View) -> None:
    """Writes the page of a sentence, and its heat maps beside it.

    Args:
        out: The page to write.
        attention: The sentence.
        view: What the page shows first; a layer or head gets a plot of its own.

    Raises:
        InputError: The page or the folder cannot be written.
    """
    title = f"{attention.example.subject.word} – {attention.example.object.word}"
    plots = [entities_plot(attention)]
    write_page_of(out, attention, view, Words(title, "relation", "relation/attention.html", plots))


def entities_plot(attention: SentenceAttention) -> Plot:
    """Draws how much each head looks from one entity to the other."""
    subject, object_ = attention.words["subject"], attention.words["object"]
    return heads_plot(
        name="entities",
        title="Weight from one entity to the other, percent",
        numbers=between(attention.weights, subject, object_),
        note="What a token of the subject gives to all of the object's, and the other way: the "
        "mean of both.",
    )
