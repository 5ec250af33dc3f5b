"""The chat template of a tokenizer: what it writes around a message."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from relx.faults import Fault, InputError, shorten

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

STAND_IN = "\ue000"  # a private character, which no template writes
# For templates that write today's date: the tokens of a run must not depend on the day.
DAY = datetime(2024, 7, 26)
DATE_CODES = "AaBbdHIjMmpSYy"


class ChatFrame(NamedTuple):
    """What a chat template writes around the one message of a user.

    Args:
        head: The text before it.
        tail: The text after it, with the beginning of the answer.
        trims: Whether spaces at the message's ends are taken away.
    """

    head: str
    tail: str
    trims: bool


def chat_frame(tokenizer: PreTrainedTokenizerFast) -> ChatFrame:
    """Asks a tokenizer for its chat template.

    Where a template can turn thinking aloud off, it is off: the label word comes next. Where it
    writes the date, it is the same one on any day.

    Args:
        tokenizer: The tokenizer.

    Returns:
        What is around a message.

    Raises:
        InputError: There is no template, or it does not show the message as it is.
    """
    step = "set decoder.chat to false"
    if not tokenizer.chat_template:
        what = "the tokenizer has no chat template"
        raise InputError(Fault(what, "decoder.chat", "true", "false", step))
    shown, spaced = (_rendered(tokenizer, text) for text in (STAND_IN, f" {STAND_IN} "))
    if shown.count(STAND_IN) != 1:
        what = "the tokenizer's chat template does not show the user's message once, as it is"
        raise InputError(Fault(what, "decoder.chat", shorten(shown), "", step))
    head, _, tail = shown.partition(STAND_IN)
    return ChatFrame(head, tail, trims=spaced == shown)


def _rendered(tokenizer: PreTrainedTokenizerFast, message: str) -> str:
    from jinja2 import TemplateError

    try:
        return str(
            tokenizer.apply_chat_template(
                [{"role": "user", "content": message}],
                chat_template=_on_one_day(tokenizer.get_chat_template()),
                add_generation_prompt=True,
                tokenize=False,
                enable_thinking=False,
            )
        )
    except (TemplateError, TypeError, ValueError) as error:
        what, step = "the tokenizer's chat template cannot be used", "set decoder.chat to false"
        raise InputError(Fault(what, "decoder.chat", shorten(str(error)), "", step)) from error


def _on_one_day(template: str) -> str:
    """Puts a definition of our own before a template, which takes the place of today's date."""
    if "strftime_now" not in template:
        return template
    codes = ((code, DAY.strftime(f"%{code}")) for code in DATE_CODES)
    written = "".join(f"|replace('%{code}', '{text}')" for code, text in codes)
    date = f"{{{{ format|replace('%-', '%'){written} }}}}"
    return f"{{%- macro strftime_now(format) -%}}{date}{{%- endmacro -%}}{template}"
