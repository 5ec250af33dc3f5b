"""The roles of special tokens: padding, start, end, mask and unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

from relx.faults import Fault, InputError
from relx.models.stored.tokenizers.added import added_token

# The usual tokens of each role, for checkpoints that do not name them; the first present is it.
_ROLES: dict[str, tuple[str, ...]] = {
    "unk_token": ("[UNK]", "<unk>"),
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
    "bos_token": (),
    "eos_token": (),
}
ENCODERS_ROLES = ("pad_token", "cls_token", "sep_token")


def with_roles(
    backend: Tokenizer, settings: Mapping[str, Any] | None = None
) -> PreTrainedTokenizerFast:
    """Gives a tokenizer the roles of its special tokens.

    Args:
        backend: The tokenizer.
        settings: The content of tokenizer_config.json; roles that it does not give are found in
            the vocabulary under their usual names.

    Returns:
        The tokenizer as transformers uses it.
    """
    settings = settings or {}
    backend.no_padding()
    backend.no_truncation()
    roles: dict[str, Any] = {}
    for role, usual in _ROLES.items():
        known = [name for name in usual if backend.token_to_id(name) is not None]
        token = _token(settings.get(role), role) or (known[0] if known else None)
        if token is not None:
            roles[role] = token
    named = {str(token) for token in roles.values()}
    added = backend.get_added_tokens_decoder()
    others = [added[i] for i in sorted(added) if added[i].special and added[i].content not in named]
    longest = settings.get("model_max_length")
    if isinstance(longest, int):
        roles["model_max_length"] = longest
    if isinstance(settings.get("chat_template"), str):
        roles["chat_template"] = settings["chat_template"]
    # transformers 5 calls these tokens extra, and takes the name of 4 too.
    roles["additional_special_tokens"] = others
    return PreTrainedTokenizerFast(tokenizer_object=backend, **roles)


def require_roles(tokenizer: PreTrainedTokenizerFast, folder: Path, needed: Sequence[str]) -> None:
    """Makes sure that a tokenizer has the special tokens that its model needs.

    Args:
        tokenizer: The tokenizer.
        folder: Where it was read, for the message.
        needed: Their roles.

    Raises:
        InputError: It lacks one.
    """
    missing = [role for role in needed if getattr(tokenizer, role) is None]
    if missing:
        step = "name them in the folder's tokenizer_config.json"
        received = f"without {', '.join(missing)}"
        raise InputError(
            Fault("this tokenizer lacks special tokens", str(folder), received, next_step=step)
        )


def roles_of(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Names a tokenizer's special tokens as tokenizer_config.json does.

    Args:
        tokenizer: The tokenizer.

    Returns:
        Role to token, and `additional_special_tokens` with those that have no role.
    """
    roles: dict[str, Any] = {
        role: str(getattr(tokenizer, role)) for role in _ROLES if getattr(tokenizer, role)
    }
    named = set(roles.values())
    others = [token for token in tokenizer.all_special_tokens if token not in named]
    return roles | ({"additional_special_tokens": others} if others else {})


def _token(value: Any, role: str) -> str | AddedToken | None:
    """Reads a special token, which is a text or a mapping with its flags."""
    if value is None or isinstance(value, str):
        return value
    return added_token(value, f"tokenizer_config.json or special_tokens_map.json: {role}")
