"""Relations of annotation tools, whose spans are characters: doccano, Label Studio, Prodigy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from relx.progress import say
from relx.spans import Span
from relx.tasks.relation.imports.found import NO_TYPE, Found, Mention, between

Record = Mapping[str, Any]


def doccano(record: Record, where: str) -> Iterator[Found]:
    """Reads a text of doccano's JSONL(relation): entities and relations by their ids."""
    text = str(record["text"])
    entities = {
        entity["id"]: Mention(
            Span(int(entity["start_offset"]), int(entity["end_offset"])), str(entity["label"])
        )
        for entity in record["entities"]
    }
    pairs = [(each["from_id"], each["to_id"], str(each["type"])) for each in record["relations"]]
    yield from _related(record["id"], text, entities, pairs, where)


def prodigy(record: Record, where: str) -> Iterator[Found]:
    """Reads a task of Prodigy's rel.manual: an arc's head is the subject, its child the object.

    A task that was rejected or ignored has none.
    """
    if record.get("answer", "accept") != "accept":
        return
    text = str(record["text"])
    entities, pairs = {}, []
    for each in record.get("relations") or ():
        ends = []
        for role in ("head_span", "child_span"):
            span = each[role]
            key = (int(span["start"]), int(span["end"]))
            entities[key] = Mention(Span(*key), str(span.get("label") or NO_TYPE))
            ends.append(key)
        pairs.append((ends[0], ends[1], str(each["label"])))
    for span in record.get("spans") or ():
        key = (int(span["start"]), int(span["end"]))
        entities.setdefault(key, Mention(Span(*key), str(span.get("label") or NO_TYPE)))
    yield from _related(record["id"], text, entities, pairs, where)


def label_studio(record: Record, where: str) -> Iterator[Found]:
    """Reads a task of Label Studio's JSON: the first annotation that was not cancelled.

    An arrow to the left goes from its end to its beginning. Spans are counted in UTF-16 units.
    """
    kept = [a for a in record.get("annotations") or () if not a.get("was_cancelled")]
    if not kept:
        return
    texts = [value for value in record["data"].values() if isinstance(value, str)]
    spans = [each for each in kept[0]["result"] if each.get("type") == "labels"]
    text = _text_of(texts, [each["value"] for each in spans])
    entities = {each["id"]: _counted(text, each["value"]) for each in spans}
    pairs = []
    for each in kept[0]["result"]:
        if each.get("type") == "relation":
            ends = [each["from_id"], each["to_id"]]
            ends = ends[::-1] if each.get("direction") == "left" else ends
            labels = each.get("labels") or ()
            pairs += [(ends[0], ends[1], str(label)) for label in labels]
            if not labels:
                say(f"note: {where}: a relation without a label is left out")
    yield from _related(record["id"], text, entities, pairs, where)


def _text_of(texts: list[str], values: list[Record]) -> str:
    """Returns the field that the spans are of: the first that has their words at their places."""
    if not texts:
        raise KeyError("text")
    return next((text for text in texts if all(_holds(text, v) for v in values)), texts[0])


def _holds(text: str, value: Record) -> bool:
    span, word = _counted(text, value).span, value.get("text")
    return span.of(text) == word if word else span.end <= len(text)


def _counted(text: str, value: Record) -> Mention:
    """Carries a span from UTF-16 units, as browsers count, to characters."""
    units = text.encode("utf-16-le", "surrogatepass")
    start, end = (
        len(units[: 2 * int(value[name])].decode("utf-16-le", "replace"))
        for name in ("start", "end")
    )
    return Mention(Span(start, end), str(value["labels"][0]), str(value.get("text") or ""))


def _related(
    id_: Any,
    text: str,
    entities: Mapping[Any, Mention],
    pairs: list[tuple[Any, Any, str]],
    where: str,
) -> Iterator[Found]:
    for number, (first, second, label) in enumerate(pairs):
        line, subject, object_ = between(text, entities[first], entities[second])
        yield Found(f"{id_}-{number}", line, subject, object_, label, where)
