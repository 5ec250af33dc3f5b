"""Rows about a target, in the forms that files have them in, for the tests of the task."""

import csv
import json

LABELS = ("joy", "fear", "anger")
SENTENCE = "국밥은 좋았지만 주인은 무서웠다."


def record(id_="a", form=SENTENCE, target=("국밥", 0, 2), true=("joy",), labels=LABELS):
    """A row in the contest's form; no labels where `true` is None."""
    word, begin, end = target or (None, None, None)
    output = "" if true is None else {name: str(name in true) for name in labels}
    target = {"form": word, "begin": begin, "end": end}
    return {"id": id_, "input": {"form": form, "target": target}, "output": output}


def write_lines(path, records):
    """Writes JSON Lines."""
    text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records)
    path.write_text(text, encoding="utf-8")
    return path


def write_csv(path, columns, rows):
    """Writes a CSV."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])
    return path
