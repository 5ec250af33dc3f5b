"""Tokens kept on disk: found again when nothing changed, made anew in any other case."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from relx import dataset
from relx.data.tokenizing import token_cache
from relx.data.tokenizing.token_cache import KEPT_SECONDS, token_folder
from relx.dataset import prompt_rows_of, token_rows
from relx.files import digest
from relx.recipe import DataSection, DecideSection, MarkersSection
from relx.runs.state import list_runs
from relx.spans import Span
from relx.tasks.relation.sentence import example_of
from relx.tasks.relation.task import RelationTask
from tapt import corpus
from tapt.corpus import CorpusText, tokenize_corpus

SENTENCES = ["가람은 나루에서 온다", "나루의 가람", "가람과 나루"]
EXAMPLES = [example_of(s, ("가람", "PER", None), ("나루", "LOC", None)) for s in SENTENCES]
TEXTS = [CorpusText(sentence, (Span(0, 2),)) for sentence in SENTENCES]
MARKERS = MarkersSection(style="entity_marker_punct")


def tokenizer(*more):
    words = ["[PAD]", "[UNK]", "[SEP]", "@", "#", "가람", "나루", "##은", "##에서", "온다"]
    words += ["*", "^", "per", "loc", *more]
    backend = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", sep_token="[SEP]"
    )


@pytest.fixture
def made(monkeypatch):
    """How often rows were tokenised."""
    calls = []
    for module, name in ((dataset, "tokenize"), (dataset, "prompt_rows"), (corpus, "_tokenized")):
        original = getattr(module, name)

        def counted(*arguments, original=original):
            calls.append(original.__name__)
            return original(*arguments)

        monkeypatch.setattr(module, name, counted)
    return calls


def relation_rows(cache, examples=EXAMPLES, markers=MARKERS, own=None, length=64):
    task = RelationTask(DataSection(), markers, "entity_starts", DecideSection())
    return token_rows(examples, task, own or tokenizer(), length, "train.csv", cache)


ASKED = "글: {sentence} {subject} {object} {labels}"


def prompts_of(
    cache, examples=EXAMPLES, markers=MARKERS, own=None, length=64, asked=ASKED, words=("나",)
):
    own = own or tokenizer()
    task = RelationTask(DataSection(), markers, "entity_starts", DecideSection())
    show, chat = task.prompter(asked, words), own.chat_template is not None
    return prompt_rows_of(examples, show, own, length, "train.csv", cache, chat)


def in_chat(template):
    own = tokenizer()
    own.chat_template = template + "{{ messages[0]['content'] }}"
    return own


def corpus_rows(cache, texts=TEXTS, own=None, length=64, unit="words"):
    return tokenize_corpus(texts, own or tokenizer(), length, unit, cache)


def same(one, other):
    assert type(one) is type(other)
    names = [name for name in type(one).__slots__ if name != "__weakref__"]
    return all(
        getattr(one, name).dtype == getattr(other, name).dtype
        and np.array_equal(getattr(one, name), getattr(other, name))
        for name in names
    )


@pytest.mark.parametrize("rows", [relation_rows, prompts_of, corpus_rows])
def test_rows_are_made_once(rows, made, tmp_path):
    cache = token_folder(tmp_path)
    first, second = rows(cache), rows(cache)
    assert len(made) == 1 and len(list(cache.iterdir())) == 1
    assert same(first, second)
    assert rows(None) is not None and len(made) == 2 and len(list(cache.iterdir())) == 1


def changed(example, **changes):
    return [replace(example, **changes), *EXAMPLES[1:]]


OTHER_ROWS = {
    "another sentence": {"examples": changed(EXAMPLES[0], sentence="가람은 나루에서 간다")},
    "entities in turn": {
        "examples": changed(EXAMPLES[0], subject=EXAMPLES[0].object, object=EXAMPLES[0].subject)
    },
    "another span": {
        "examples": changed(EXAMPLES[0], subject=replace(EXAMPLES[0].subject, span=Span(0, 3)))
    },
    "one row less": {"examples": EXAMPLES[:2]},
    "another order": {"examples": EXAMPLES[::-1]},
    "other markers": {"markers": MarkersSection(style="typed_entity_marker_punct")},
    "a query": {"markers": MarkersSection(style="entity_marker_punct", query="{subject}?")},
    "another window": {"length": 63},
    "another vocabulary": {"own": tokenizer("간다")},
}
OTHER_PROMPTS = {name: made for name, made in OTHER_ROWS.items() if name != "a query"} | {
    "another prompt": {"asked": f"{ASKED}."},
    "other label words": {"words": ("가람",)},
    "a chat": {"own": in_chat("")},
    "another chat": {"own": in_chat("가람")},
}
OTHER_TEXTS = {
    "another text": {"texts": [CorpusText("가람", (Span(0, 2),)), *TEXTS[1:]]},
    "another entity": {"texts": [replace(TEXTS[0], entities=(Span(0, 1),)), *TEXTS[1:]]},
    "an entity is a marker": {
        "texts": [replace(TEXTS[0], entities=(), inserted=(Span(0, 2),)), *TEXTS[1:]]
    },
    "texts cut elsewhere": {
        "texts": [
            replace(TEXTS[0], text="가람은 나루에서 온다나"),
            replace(TEXTS[1], text="루의 가람"),
            TEXTS[2],
        ]
    },
    "another unit": {"unit": "tokens"},
    "another window": {"length": 63},
    "another vocabulary": {"own": tokenizer("간다")},
}


@pytest.mark.parametrize(
    ("rows", "change"),
    [
        *(pytest.param(relation_rows, change, id=name) for name, change in OTHER_ROWS.items()),
        *(pytest.param(prompts_of, change, id=name) for name, change in OTHER_PROMPTS.items()),
        *(pytest.param(corpus_rows, change, id=name) for name, change in OTHER_TEXTS.items()),
    ],
)
def test_whatever_decides_tokens_makes_them_anew(rows, change, made, tmp_path):
    rows(tmp_path)
    assert same(rows(tmp_path, **change), rows(None, **change))
    assert len(made) == 3 and len(list(tmp_path.iterdir())) == 2


def test_what_does_not_decide_tokens_does_not(made, tmp_path):
    relation_rows(tmp_path)
    relation_rows(tmp_path, [replace(row, id="x", label="y", source="z") for row in EXAMPLES])
    assert len(made) == 1


@pytest.mark.parametrize(
    ("rows", "module", "name"),
    [
        (relation_rows, token_cache, "FORMAT"),
        (relation_rows, dataset, "TOKENS_FORMAT"),
        (prompts_of, token_cache, "FORMAT"),
        (prompts_of, dataset, "PROMPTS_FORMAT"),
        (corpus_rows, corpus, "FORMAT"),
    ],
)
def test_another_format_makes_them_anew(rows, module, name, made, tmp_path, monkeypatch):
    rows(tmp_path)
    monkeypatch.setattr(module, name, "another")
    rows(tmp_path)
    assert len(made) == 2


# Whoever changes what tokens are made of texts raises the number here, and in `FORMAT`: otherwise
# tokens of before would be taken from the cache.
MADE = {
    "token rows 2": "8af13bfefc2d0d36",
    "prompts 1": "6fae119ee0e3a9e8",
    "corpus 1": "3e94bfbc6c9a702f",
}


QUERY = MarkersSection(style="typed_entity_marker_punct", query="{subject}?")
KINDS = {
    relation_rows: ({}, {"markers": QUERY}, {"length": 9}),
    prompts_of: ({}, {"length": 16}, {"own": in_chat("가람")}),
    corpus_rows: ({}, {"unit": "tokens"}, {"unit": "entities"}, {"length": 3}),
}


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        (relation_rows, dataset.TOKENS_FORMAT),
        (prompts_of, dataset.PROMPTS_FORMAT),
        (corpus_rows, corpus.FORMAT),
    ],
)
def test_the_number_of_a_format_stands_for_the_rows_that_are_made(rows, number):
    written = []
    for settings in KINDS[rows]:
        arrays = rows(None, **settings)
        names = sorted(name for name in type(arrays).__slots__ if name != "__weakref__")
        written += [f"{name} {getattr(arrays, name).tolist()}" for name in names]
    assert MADE[number] == digest(written)[:16]


def damaged(path, other):
    data = path.read_bytes()
    at = len(data) - 9
    return {
        "empty": b"",
        "cut off": data[: len(data) // 2],
        "no safetensors": b"{}" * 40,
        "a turned bit": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
        "foreign": other.read_bytes(),
    }


@pytest.mark.parametrize("how", ["empty", "cut off", "no safetensors", "a turned bit", "foreign"])
def test_a_broken_entry_is_made_anew(how, made, tmp_path):
    expected = relation_rows(tmp_path)
    (path,) = tmp_path.iterdir()
    relation_rows(tmp_path, EXAMPLES[:1])
    (other,) = set(tmp_path.iterdir()) - {path}
    path.write_bytes(damaged(path, other)[how])
    assert same(relation_rows(tmp_path), expected)
    assert len(made) == 3
    relation_rows(tmp_path)
    assert len(made) == 3


def test_entries_that_nobody_used_for_long_are_removed(made, tmp_path):
    relation_rows(tmp_path)
    (path,) = tmp_path.iterdir()
    corpus_rows(tmp_path)
    (other,) = set(tmp_path.iterdir()) - {path}
    left = tmp_path / f".{path.name}.abc"
    left.write_text("half of an entry")
    (tmp_path / "mine.txt").write_text("not an entry")
    for name in tmp_path.iterdir():
        os.utime(name, (time.time() - KEPT_SECONDS + 60,) * 2)
    relation_rows(tmp_path)  # used, so that it stays
    assert len(list(tmp_path.iterdir())) == 4
    for name in (other, left, tmp_path / "mine.txt"):
        os.utime(name, (time.time() - KEPT_SECONDS - 60,) * 2)
    relation_rows(tmp_path)
    assert set(tmp_path.iterdir()) == {path, tmp_path / "mine.txt"}
    assert len(made) == 2


def test_a_place_that_cannot_be_written_is_no_error(made, tmp_path):
    (tmp_path / "file").write_text("")
    for _ in range(2):
        assert len(relation_rows(tmp_path / "file")) == 3
    assert len(made) == 2


def test_a_full_disk_is_no_error(made, tmp_path, monkeypatch):
    def full(arrays, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(token_cache, "save_file", full)
    assert len(relation_rows(tmp_path)) == 3
    assert list(tmp_path.iterdir()) == []


def test_an_entry_may_be_written_by_several_at_once(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(relation_rows, [tmp_path] * 12))
    assert all(same(rows, found[0]) for rows in found)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_folder_is_no_run(tmp_path):
    relation_rows(token_folder(tmp_path))
    assert list_runs(tmp_path) == []
