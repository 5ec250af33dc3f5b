"""Relations of data sets whose texts are tokens: TACRED, OpenNRE, DocRED."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from relx.spans import Span
from relx.tasks.relation.imports.found import NO_TYPE, Found, Mention, joined, of_tokens

Record = Mapping[str, Any]


def tacred(record: Record, where: str) -> Iterator[Found]:
    """Reads an example of TACRED (Zhang et al. 2017, EMNLP, D17-1004): ends are the last tokens."""
    text, starts = joined(record["token"])
    subject, object_ = (
        of_tokens(
            starts, record[f"{role}_start"], record[f"{role}_end"] + 1, record[f"{role}_type"]
        )
        for role in ("subj", "obj")
    )
    yield Found(str(record["id"]), text, subject, object_, record["relation"], where)


def opennre(record: Record, where: str) -> Iterator[Found]:
    """Reads an example of OpenNRE (Han et al. 2019, arXiv 1909.13078): head and tail.

    Positions are of characters where the record has a text, and of tokens where it has tokens; the
    end is one past the last. Its entities have a name, and most have no type.
    """
    if "text" in record:
        text, starts = str(record["text"]), None
    else:
        text, starts = joined(record["token"])
    found: list[Mention] = []
    for role in ("h", "t"):
        entity = record[role]
        first, past = entity["pos"]
        type_ = str(entity.get("type") or NO_TYPE)
        if starts is None:
            found.append(Mention(Span(int(first), int(past)), type_, str(entity.get("name") or "")))
        else:
            found.append(of_tokens(starts, first, past, type_))
    head, tail = found
    yield Found(str(record["id"]), text, head, tail, str(record["relation"]), where)


def docred(record: Record, where: str) -> Iterator[Found]:
    """Reads a document of DocRED (Yao et al. 2019, arXiv 1906.06127), a row a labelled pair.

    The text is the sentence that mentions both entities, where one does; else the document, with
    the first mention of each.
    """
    sentences = [list(sentence) for sentence in record["sents"]]
    for number, label in enumerate(record.get("labels") or ()):
        head, tail = (record["vertexSet"][label[role]] for role in ("h", "t"))
        pairs = itertools.product(head, tail)
        same = next((p for p in pairs if p[0]["sent_id"] == p[1]["sent_id"]), None)
        mentions = same or (head[0], tail[0])
        if same is not None:
            text, starts = joined(sentences[same[0]["sent_id"]])
            before = [0] * len(sentences)
        else:
            text, starts = joined([token for sentence in sentences for token in sentence])
            sizes = (len(sentence) for sentence in sentences)
            before = [0, *itertools.accumulate(sizes)]
        subject, object_ = (_of_document(starts, before, mention) for mention in mentions)
        id_ = f"{record.get('title', record['id'])}-{number}"
        yield Found(id_, text, subject, object_, str(label["r"]), where)


def _of_document(starts: list[int], before: list[int], mention: Record) -> Mention:
    first, past = mention["pos"]
    shift = before[mention["sent_id"]]
    return of_tokens(starts, first + shift, past + shift, str(mention["type"]))
