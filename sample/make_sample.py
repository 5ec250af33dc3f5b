"""Writes the sample data set: Korean sentences over KLUE's thirty relations, all of them invented.

    python sample/make_sample.py

The sentences come from sentences.txt, the words they are filled with from words.toml. The same
seed gives the same bytes. Needs nothing but Python's standard library.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
COLUMNS = ("id", "sentence", "subject_entity", "object_entity", "label", "source")
NO_RELATION = "no_relation"
UNLABELLED = "100"
LENGTHS = range(20, 151)  # characters in a sentence
LEAD_SHARE, TAIL_SHARE = 0.3, 0.3  # sentences with a clause before, or a sentence after
EXTRA_SHARE = 0.35  # sentences that give a second row, with another pair
RELATED_NEGATIVES = 0.4  # rows without relation that come from a sentence that states one
HELD_WORD_SHARE = 0.75  # words of dev and test that train never shows
COMMON = {  # relations with more rows, as in KLUE
    "org:top_members/employees",
    "per:employee_of",
    "per:title",
    "org:member_of",
    "per:origin",
    "org:alternate_names",
    "per:alternate_names",
    "per:date_of_birth",
    "org:place_of_headquarters",
}


class Split(NamedTuple):
    """How many rows a file has: of each common relation, of each other one, and of none."""

    common: int
    rare: int
    negative: int


# Train has no relation in 28 % of its rows, test in 45 %: the shift of the real task, in small.
SPLITS = {"train": Split(16, 10, 136), "dev": Split(3, 2, 27), "test": Split(3, 2, 55)}


# ---- particles ---------------------------------------------------------------------------------

UNEVEN = {"은": "는", "이": "가", "을": "를", "과": "와", "아": "야"}
# Names of the digits and letters: whether they end in a consonant (True), in ㄹ ("ㄹ"), or neither.
SPOKEN: dict[str, bool | str] = dict.fromkeys("036MN", True)
SPOKEN |= dict.fromkeys("178LR", "ㄹ") | dict.fromkeys("2459ABCDEFGHIJKOPQSTUVWXYZ", False)
CLOSERS = "'\"’”》〉」』 "


def particle(text: str, form: str) -> str:
    """Chooses the form of a particle that fits the word it follows.

    Args:
        text: What stands before the particle; closing quotes and a last parenthesis are skipped.
        form: The form after a consonant: 은, 이, 을, 과, 으로, 이다, 이라는, 이었던 …

    Returns:
        The form that is right here: 서울 + 으로 gives 로, 나무 + 이었다 gives 였다.

    Raises:
        ValueError: Nobody can say how the last character is spoken.
    """
    ending = _final_sound(text)
    if form.startswith("으"):
        return form if ending is True else form[1:]
    if ending:
        return form
    if form in UNEVEN:
        return UNEVEN[form]
    if form.startswith("이었"):
        return "였" + form[2:]
    if form.startswith("이"):
        return form[1:]
    raise ValueError(f"no particle {form!r} is known")


def _final_sound(text: str) -> bool | str:
    """Says whether the last spoken syllable ends in a consonant, and whether that is ㄹ."""
    spoken = text.rstrip(CLOSERS)
    while spoken.endswith(")"):
        spoken = spoken[: spoken.rindex("(")].rstrip(CLOSERS)
    last = spoken[-1:]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return "ㄹ" if final == 8 else final > 0
    if last not in SPOKEN or not last:
        raise ValueError(f"nobody can say how {text[-12:]!r} ends")
    return SPOKEN[last]


# ---- templates ---------------------------------------------------------------------------------


class Pair(NamedTuple):
    """Two entities of a template by name, and the relation from the first to the second."""

    subject: str
    object: str
    relation: str


@dataclass(frozen=True)
class Template:
    """A sentence with gaps, and the pairs of it that may become rows."""

    text: str
    pairs: tuple[Pair, ...] = ()
    held_out: bool = False


@dataclass(frozen=True)
class Templates:
    """All of sentences.txt."""

    sentences: tuple[Template, ...]
    leads: tuple[str, ...]
    tails: tuple[str, ...]


def read_templates(path: Path) -> Templates:
    """Reads sentences.txt.

    Args:
        path: The file.

    Returns:
        The templates.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("#")]
    leads = tuple(line[2:] + " " for line in lines if line.startswith("> "))
    tails = tuple(" " + line[2:] for line in lines if line.startswith("< "))
    blocks: list[list[str]] = []
    for line in lines:
        if line.startswith("  "):
            blocks[-1].append(line)
        elif line[0] not in "<>":
            blocks.append([line])
    return Templates(tuple(_template(block) for block in blocks), leads, tails)


def _template(block: Sequence[str]) -> Template:
    pairs = tuple(pair for line in block[1:] for pair in _pairs(line))
    return Template(block[0].removeprefix("! "), pairs, block[0].startswith("! "))


def _pairs(line: str) -> Iterator[Pair]:
    """Reads `a > b: relation; inverse`."""
    names, _, relations = line.strip().partition(": ")
    subject, object_ = names.split(" > ")
    forth, _, back = relations.partition("; ")
    yield Pair(subject, object_, forth)
    if back:
        yield Pair(object_, subject, back)


# ---- words -------------------------------------------------------------------------------------


class Dice:
    """Random choices by `random.random` alone, whose values no Python version changes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, share: float) -> bool:
        """Returns True in that share of the calls."""
        return self._random.random() < share

    def number(self, first: int, last: int) -> int:
        """Returns a whole number from first to last."""
        return first + int(self._random.random() * (last - first + 1))

    def choice(self, items: Sequence[Any]) -> Any:
        """Returns one of the items."""
        return items[self.number(0, len(items) - 1)]

    def shuffled(self, items: Iterable[Any]) -> list[Any]:
        """Returns the items in a random order."""
        return sorted(items, key=lambda _: self._random.random())


class Words:
    """Fills gaps: the words of one split, by kind.

    Args:
        lists: The content of words.toml.
        dice: The random choices.
        training: Whether only words for the training rows may be chosen.
    """

    def __init__(self, lists: Mapping[str, Any], dice: Dice, training: bool) -> None:
        self._lists = lists
        self._dice = dice
        self._training = training

    def entity(self, kind: str) -> dict[str, str]:
        """Makes one entity: its name under "", its other forms under theirs.

        Args:
            kind: A kind of words.toml, or a kind of person, date or number.

        Returns:
            The words by form.
        """
        if kind in self._lists["years"]:
            return self._date(*self._lists["years"][kind])
        makers: dict[str, Callable[[], dict[str, str]]] = {
            "man": lambda: {"": self._person("men")},
            "woman": lambda: {"": self._person("women")},
            "per": lambda: {"": self._anybody()},
            "star": lambda: {**self._listed("star"), "": self._anybody()},
            "fam": self._family,
            "num": self._count,
        }
        return makers.get(kind, lambda: self._listed(kind))()

    def type_of(self, name: str) -> str:
        """Returns the entity type of a gap such as `man1` or `for1.country`."""
        head, _, form = name.partition(".")
        kind = head.rstrip("0123456789")
        types: Mapping[str, str] = self._lists["types"]
        return types.get(f"{kind}.{form}", types[kind])

    def _listed(self, kind: str) -> dict[str, str]:
        shared: Mapping[str, list[str]] = self._lists["shared"]
        entry = self._dice.choice(shared[kind]) if kind in shared else self._split(kind)
        if isinstance(entry, str):
            return {"": entry}
        return {"" if form == "name" else form: word for form, word in entry.items()}

    def _split(self, kind: str) -> Any:
        """Chooses from a list of which every third entry is kept from the training rows."""
        entries = self._lists["split"][kind]
        held = not self._training and self._dice.below(HELD_WORD_SHARE)
        return self._dice.choice([e for i, e in enumerate(entries) if (i % 3 == 2) == held])

    def _anybody(self) -> str:
        return self._person(self._dice.choice(("men", "women")))

    def _person(self, given: str, surname: str = "", beside: Iterable[str] = ()) -> str:
        surname = surname or self._dice.choice(self._lists["names"]["surnames"])
        while True:
            name: str = surname + self._split(given)
            if surname[-1] != name[len(surname)] and name not in beside:
                return name

    def _family(self) -> dict[str, str]:
        """Makes the people of one family; all but the mother share its surname."""
        surname = self._dice.choice(self._lists["names"]["surnames"])
        people = {"mother": self._person("women")}
        for role in ("father", "son", "son2", "uncle", "nephew", "grandfather"):
            people[role] = self._person("men", surname, people.values())
        for role in ("daughter", "daughter2", "aunt"):
            people[role] = self._person("women", surname, people.values())
        return people

    def _date(self, first: int, last: int) -> dict[str, str]:
        year = f"{self._dice.number(first, last)}년"
        month = f"{year} {self._dice.number(1, 12)}월"
        day = f"{month} {self._dice.number(1, 28)}일"
        return {"": self._dice.choice((year, month, day, day)), "year": year, "day": day}

    def _count(self) -> dict[str, str]:
        size: int = self._dice.choice((10, 50))
        number = f"{size * self._dice.number(12, 96):,}"
        return {"": f"{number}{self._dice.choice(('명', '여 명'))}"}


# ---- sentences ---------------------------------------------------------------------------------

PIECE = re.compile(
    r"\{(?P<other>~?)(?P<name>[a-z]+\d(?:\.[a-z]+\d?)?)(?:=(?P<word>[^}]+))?\}"
    r"|\[(?P<form>[가-힣]+)\]"
    r"|(?P<plain>[^{}\[\]]+)"
)


class Mention(NamedTuple):
    """An entity in a sentence; the end is inclusive, as the competition has it."""

    word: str
    start_idx: int
    end_idx: int
    type: str


@dataclass
class Sentence:
    """A finished sentence: its text, its mentions by name, and the pairs they form."""

    text: str = ""
    mentions: dict[str, Mention] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()


def fill(text: str, words: Words) -> Sentence:
    """Fills a template's gaps and chooses its particles.

    Args:
        text: The text of a template.
        words: The words to fill it with.

    Returns:
        The sentence, without pairs.
    """
    sentence, entities = Sentence(), dict[str, dict[str, str]]()
    for piece in PIECE.finditer(text):
        if piece["form"]:
            sentence.text += particle(sentence.text, piece["form"])
        elif piece["plain"]:
            sentence.text += piece["plain"]
        else:
            word = piece["word"] or _word(piece["name"], entities, words)
            start = len(sentence.text)
            sentence.text += word
            if not piece["other"]:
                mention = Mention(word, start, start + len(word) - 1, words.type_of(piece["name"]))
                sentence.mentions[piece["name"]] = mention
    return sentence


def _word(name: str, entities: dict[str, dict[str, str]], words: Words) -> str:
    """Returns the word of a gap; the forms of one entity belong together."""
    head, _, form = name.partition(".")
    if head not in entities:
        entities[head] = words.entity(head.rstrip("0123456789"))
    return entities[head][form]


def make_sentence(template: Template, templates: Templates, words: Words, dice: Dice) -> Sentence:
    """Makes a sentence of a template, some with a clause before or a sentence after it.

    Args:
        template: The template.
        templates: Where the clauses come from; headlines, which do not end in 다., get none.
        words: The words to fill it with.
        dice: The random choices.

    Returns:
        The sentence, of a length in `LENGTHS` and with no word in it twice.
    """
    while True:
        text = template.text
        if text.endswith("다."):
            lead = dice.choice(templates.leads) if dice.below(LEAD_SHARE) else ""
            tail = dice.choice(templates.tails) if dice.below(TAIL_SHARE) else ""
            text = lead + text + tail
        sentence = fill(text, words)
        known = {mention.word for mention in sentence.mentions.values()}
        if len(sentence.text) in LENGTHS and len(known) == len(sentence.mentions):
            sentence.pairs = (*template.pairs, *_strangers(sentence, template))
            return sentence


def _strangers(sentence: Sentence, template: Template) -> Iterator[Pair]:
    """Yields the pairs between the template's entities and those of the added clauses."""
    own = [name for name in sentence.mentions if f"{{{name}" in template.text]
    added = [name for name in sentence.mentions if name not in own]
    for a, b in ((a, b) for a in own for b in added):
        for subject, object_ in ((a, b), (b, a)):
            if sentence.mentions[subject].type in ("PER", "ORG"):
                yield Pair(subject, object_, NO_RELATION)


# ---- rows --------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One row of a file, but for its id."""

    sentence: str
    subject: Mention
    object: Mention
    label: str


@dataclass
class Maker:
    """Makes the rows of one split.

    Args:
        templates: The templates.
        words: The words of the split.
        dice: The random choices.
        training: Whether the templates kept from train are left out; elsewhere they come first.
        wanted: How many rows of each label are still to be made.
        taken: The sentences of all splits so far; none is made twice.
    """

    templates: Templates
    words: Words
    dice: Dice
    training: bool
    wanted: Counter[str]
    taken: set[str]
    rows: list[Row] = field(default_factory=list)

    def make(self) -> list[Row]:
        """Makes the rows: the relations first, then what is still wanted without one.

        Returns:
            The rows, in a random order.
        """
        related = round(self.wanted[NO_RELATION] * RELATED_NEGATIVES)
        apart = self.wanted.pop(NO_RELATION) - related
        self.wanted[NO_RELATION] = related
        for relation in [name for name in self.wanted if name != NO_RELATION]:
            self._fulfil(relation, self._stating(relation))
        self._fulfil(NO_RELATION, self._with_a_relation())
        self.wanted[NO_RELATION] = apart
        self._fulfil(NO_RELATION, self._stating(NO_RELATION))
        return self.dice.shuffled(self.rows)

    def _fulfil(self, relation: str, templates: Sequence[Template]) -> None:
        """Goes round the templates until enough rows have the relation."""
        turn = 0
        while self.wanted[relation] > 0:
            self._add(templates[turn % len(templates)], relation)
            turn += 1

    def _add(self, template: Template, relation: str) -> None:
        """Makes a sentence and a row of it, sometimes a second row with another pair."""
        sentence = make_sentence(template, self.templates, self.words, self.dice)
        pairs = self.dice.shuffled(sentence.pairs)
        pairs.sort(key=lambda pair: pair.relation != relation)
        if sentence.text in self.taken or pairs[0].relation != relation:
            return
        self.taken.add(sentence.text)
        for pair in pairs[: 2 if self.dice.below(EXTRA_SHARE) else 1]:
            if self.wanted[pair.relation] > 0:
                self.wanted[pair.relation] -= 1
                mentions = sentence.mentions[pair.subject], sentence.mentions[pair.object]
                self.rows.append(Row(sentence.text, *mentions, pair.relation))

    def _usable(self) -> list[Template]:
        usable = [t for t in self.templates.sentences if not (self.training and t.held_out)]
        return sorted(self.dice.shuffled(usable), key=lambda template: not template.held_out)

    def _stating(self, relation: str) -> list[Template]:
        """Lists templates that state the relation; no_relation: those that state no other."""
        if relation == NO_RELATION:
            return [t for t in self._usable() if t.pairs[0].relation == NO_RELATION]
        return [t for t in self._usable() if relation in {pair.relation for pair in t.pairs}]

    def _with_a_relation(self) -> list[Template]:
        return [t for t in self._usable() if t.pairs[0].relation != NO_RELATION]


def make_rows(seed: int) -> dict[str, list[Row]]:
    """Makes the rows of all splits.

    Args:
        seed: Where the random choices start.

    Returns:
        The rows by split.
    """
    lists = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))
    templates = read_templates(HERE / "sentences.txt")
    relations = dict.fromkeys(p.relation for t in templates.sentences for p in t.pairs)
    dice, taken, rows = Dice(seed), set[str](), dict[str, list[Row]]()
    for name, split in SPLITS.items():
        wanted = Counter({r: split.common if r in COMMON else split.rare for r in relations})
        wanted[NO_RELATION] = split.negative
        training = name == "train"
        words = Words(lists, dice, training)
        rows[name] = Maker(templates, words, dice, training, wanted, taken).make()
    return rows


def write_rows(path: Path, rows: Sequence[Row], unlabelled: bool = False) -> None:
    """Writes rows in the competition's form.

    Args:
        path: The file.
        rows: The rows; their ids are their places.
        unlabelled: Whether every label is written as `100`.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for i, row in enumerate(rows):
            entities = (str(row.subject._asdict()), str(row.object._asdict()))
            label = UNLABELLED if unlabelled else row.label
            writer.writerow((i, row.sentence, *entities, label, "sample"))


def main() -> None:
    """Writes train.csv, dev.csv, test.csv and test_gold.csv."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=HERE, help="the folder to write into")
    options = parser.parse_args()
    rows = make_rows(options.seed)
    write_rows(options.out / "train.csv", rows["train"])
    write_rows(options.out / "dev.csv", rows["dev"])
    write_rows(options.out / "test.csv", rows["test"], unlabelled=True)
    write_rows(options.out / "test_gold.csv", rows["test"])
    print(", ".join(f"{name}: {len(split)} rows" for name, split in rows.items()))


if __name__ == "__main__":
    main()
