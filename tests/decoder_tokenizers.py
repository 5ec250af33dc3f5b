"""Tiny tokenizers as decoders have them: byte-level BPE, and one with ▁ for spaces."""

from __future__ import annotations

import functools

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from relx.models.decoder.fresh import fresh_tokenizer

SENTENCES = (
    "가람은 새벽 바다가 좋다고 말했다.",
    "나루시의 축제는 실망이었지만 음식은 훌륭했다!",
    "그 영화 (2편)는 지루해서 화가 났다.",
    'The harbour was calm, and the crew cheered: "onward"!',
    "문장: 대상: 감정: 기쁨 슬픔 분노 anger joy",
)
CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@functools.cache
def byte_level() -> PreTrainedTokenizerFast:
    """A byte-level BPE in which ` 기쁨`, ` 슬픔` and ` joy` are tokens."""
    return fresh_tokenizer(SENTENCES * 3, (" 기쁨", " 슬픔", " joy"), 500)


@functools.cache
def with_chat() -> PreTrainedTokenizerFast:
    """The same with a chat template and its special tokens."""
    tokenizer = fresh_tokenizer(SENTENCES * 3, (" 기쁨", " 슬픔", " joy"), 500)
    names = ["<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    tokenizer.chat_template = CHAT
    return tokenizer


@functools.cache
def with_start() -> PreTrainedTokenizerFast:
    """A BPE with ▁ for spaces that begins every text with <s> and ends it with </s>."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    names = ["<unk>", "<s>", "</s>"]
    trainer = BpeTrainer(vocab_size=400, special_tokens=names, show_progress=False)
    backend.train_from_iterator([*SENTENCES * 3, *["기쁨 슬픔"] * 50], trainer)
    pairs = [("<s>", 1), ("</s>", 2)]
    backend.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=pairs)
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>")
