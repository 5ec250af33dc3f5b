"""Small tokenizers of every kind that decoders have, trained on a few sentences."""

import functools
import json

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

SENTENCES = [
    "글을 읽고 알맞은 말을 보기에서 골라 쓰시오. 알맞은 말: 기쁨",
    "어제 먹은 국밥은 좋았지만 주인은 무서웠다. 알맞은 말: 슬픔",
    "비틀즈는 조지 해리슨이 쓴 노래를 1969년 앨범에 담았다. 알맞은 말: 놀람",
    "손흥민이 뛰는 토트넘 홋스퍼(Tottenham Hotspur)가 첼시를 이겼다. 알맞은 말: 분노",
]
TRAINED = [*SENTENCES * 3, *["말: 기쁨 슬픔 놀람 분노"] * 20]
SPECIALS = ["<s>", "</s>", "<unk>", "<|user|>", "<|answer|>"]
KINDS = ["gpt2", "llama3", "llama2", "metaspace_first", "metaspace_always", "wordpiece"]
BYTES = KINDS[:3]  # no text is unknown to them
CHAT = (
    "{{ bos_token }}{% for m in messages %}<|user|>\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|answer|>\n{% endif %}"
)


@functools.cache
def tokenizer_of(kind, chat=CHAT):
    backend = BUILT[kind]()
    backend.add_special_tokens([AddedToken(token, special=True) for token in SPECIALS])
    start = backend.token_to_id("<s>")
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", start), ("</s>", start + 1)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.chat_template = chat
    return tokenizer


def _byte_level(first_step):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = first_step
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TRAINED, trainer)
    return backend


def _gpt2():
    return _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))


def _llama3():
    pattern = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _byte_level(pre_tokenizers.Sequence([split, level]))


def _llama2():
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=SPECIALS, show_progress=False)
    raw.train_from_iterator(TRAINED, trainer)
    model = json.loads(raw.to_str())["model"]
    vocab = model["vocab"]
    for value in range(256):
        vocab[f"<0x{value:02X}>"] = len(vocab)
    merges = [tuple(pair) for pair in model["merges"]]
    backend = Tokenizer(models.BPE(vocab, merges, byte_fallback=True, unk_token="<unk>"))
    steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    backend.normalizer = normalizers.Sequence(steps)
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return backend


def _metaspace(scheme):
    words = {f"▁{word}" for text in TRAINED for word in text.replace(".", "").split()}
    letters = {letter for text in TRAINED for letter in text.replace(" ", "▁")}
    vocab = [(piece, 0.0) for piece in SPECIALS]
    vocab += [(letter, -6.0) for letter in sorted(letters)]
    vocab += [(word, -8.0) for word in sorted(words)]
    backend = Tokenizer(models.Unigram(vocab, unk_id=SPECIALS.index("<unk>")))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    backend.decoder = decoders.Metaspace(prepend_scheme=scheme)
    return backend


def _wordpiece():
    words = {word for text in SENTENCES for word in text.replace(".", "").split()}
    letters = sorted({letter for text in SENTENCES for letter in text if letter != " "})
    pieces = [*SPECIALS, *letters, *(f"##{letter}" for letter in letters), *sorted(words)]
    ids = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    backend = Tokenizer(models.WordPiece(ids, unk_token="<unk>"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return backend


BUILT = {
    "gpt2": _gpt2,
    "llama3": _llama3,
    "llama2": _llama2,
    "metaspace_first": functools.partial(_metaspace, "first"),
    "metaspace_always": functools.partial(_metaspace, "always"),
    "wordpiece": _wordpiece,
}
