"""What to know of the files before training, whatever the task."""

from __future__ import annotations

from typing import Any

from relx.look.eda.findings import Findings, shared_with_train


def sentence_notices(found: Findings[Any], repeats: str) -> list[str]:
    """Says which sentences are in several places, the weightiest first.

    Args:
        found: What was found.
        repeats: What repeated rows have in common, and how many of them contradict each other: a
            text with {count} and {contradictory}.

    Returns:
        The sentences.
    """
    train, notices = found.files["train"], []
    for role, (sentences, rows) in shared_with_train(found.data).items():
        if sentences:
            notices.append(
                f"{counted(sentences, 'sentence')} of train {are(sentences)} also in {role} "
                f"({counted(rows, 'row')}): scores there are a little too good."
            )
    if train.sentences_in_several_rows:
        notices.append(
            f"{counted(train.sentences_in_several_rows, 'sentence')} of train "
            f"{are(train.sentences_in_several_rows)} in more than one row: a split that "
            "separates those rows gives scores that are too good. relx splits by sentence."
        )
    if train.duplicate_rows:
        count = counted(train.duplicate_rows, "row")
        notices.append(repeats.format(count=count, contradictory=train.contradictory_keys))
    return notices


def place_notices(found: Findings[Any]) -> list[str]:
    """Says of which files a search for the words would find wrong places."""
    asked = found.data.task.asked
    return [
        f"The words of {own.first_match_elsewhere:,} {asked} of {role} "
        f"({own.first_match_elsewhere_percent:.1f} %) also occur earlier in the sentence: "
        "searching for the word finds the wrong place."
        for role, own in found.files.items()
        if own.first_match_elsewhere
    ]


def token_notices(found: Findings[Any], kept: str) -> list[str]:
    """Says which rows the window cuts or refuses.

    Args:
        found: What was found.
        kept: What is kept of rows that are cut, such as both entities.

    Returns:
        The sentences.
    """
    tokens, notices = found.tokens, []
    for role, lengths in tokens.lengths.items():
        over, refused = tokens.over(role), tokens.refused[role]
        if over:
            share = f"{100 * over / len(lengths):.2f} %"
            whole = "" if refused else f"; {kept} kept in every one"
            notices.append(
                f"{counted(over, 'row')} of {role} ({share}) are longer than the window of "
                f"{tokens.window} tokens and are cut{whole}."
            )
        if refused:
            notices.append(
                f"In {counted(refused, 'row')} of {role} the {found.data.task.asked} do not fit "
                "into the window or leave no token: training and prediction refuse them."
            )
    return notices


def counted(count: int, word: str) -> str:
    """Writes a number of things."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def are(count: int) -> str:
    """Returns the verb that a number of things takes."""
    return "is" if count == 1 else "are"
