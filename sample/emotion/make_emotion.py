"""Writes the emotion sample: Korean sentences about targets, all of them made up.

    python -m sample.emotion.make_emotion

The sentences come from sentences.txt, the words they are filled with from words.toml. The same
seed gives the same bytes. Needs nothing but Python's standard library.
"""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sample.make_sample import Dice, particle

HERE = Path(__file__).resolve().parent
MISSING = "-"  # what a frame calls the target that no word of the sentence is
MOOD = "mood"  # what predicates that need no target can be said of
POLITE_SHARE = 0.4
HELD_WORD_SHARE = 0.5  # targets of dev and test that train never shows
CLOSING = (".", ".", "", "!", "...")
SMILEYS = {1: (" ㅎㅎ", " ㅋㅋ"), -1: (" ㅠㅠ", " ㅜㅜ")}
SMILEY_SHARE = 0.15  # of the sentences whose feelings are on one side, and none denied


class Split(NamedTuple):
    """How many sentences a file has: about one target, about two (two rows), and about none."""

    one: int
    two: int
    none: int


# 600 sentences, 732 rows; one row in twelve is without a target.
SPLITS = {"train": Split(281, 96, 43), "dev": Split(56, 16, 8), "test": Split(70, 20, 10)}


# ---- frames ------------------------------------------------------------------------------------


class About(NamedTuple):
    """What a frame says of one target: the kinds of target, what is felt, and what is not."""

    target: str
    row: bool
    kinds: tuple[str, ...]
    felt: tuple[str, ...]
    denied: tuple[str, ...]


class Sides(NamedTuple):
    """Two predicates of a frame, and whether they are on the same side or on opposite ones."""

    one: str
    other: str
    same: bool


@dataclass(frozen=True)
class Frame:
    """A sentence with gaps, and what it says of its targets."""

    text: str
    about: tuple[About, ...]
    sides: tuple[Sides, ...]
    held_out: bool

    @property
    def targets(self) -> int:
        """How many rows with a target it gives."""
        return sum(about.row and about.target != MISSING for about in self.about)


def read_frames(path: Path) -> tuple[Frame, ...]:
    """Reads sentences.txt.

    Args:
        path: The file.

    Returns:
        The frames.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    blocks: list[list[str]] = []
    for line in lines:
        if line.startswith("  "):
            blocks[-1].append(line.strip())
        elif not line.startswith("#"):
            blocks.append([line])
    return tuple(_frame(text, notes) for text, *notes in blocks)


def _frame(text: str, notes: Sequence[str]) -> Frame:
    about = tuple(_about(note) for note in notes if ":" in note)
    sides = tuple(
        Sides(note[0], note[-1], "=" in note)
        for note in notes
        if re.fullmatch("[PQR] [=/] [PQR]", note)
    )
    return Frame(text.removeprefix("! "), about, sides, text.startswith("! "))


def _about(note: str) -> About:
    """Reads `a work place: P Q; R`, `~b: P` or `- mood: P`."""
    head, _, said = note.partition(":")
    target, *kinds = head.split()
    felt, _, denied = (tuple(part.split()) for part in said.partition(";"))
    return About(target.lstrip("~"), not target.startswith("~"), tuple(kinds), felt, denied)


# ---- predicates --------------------------------------------------------------------------------


class Predicate(NamedTuple):
    """A predicate of an emotion: `무섭`, `무서운`, `무섭다`, `무서워요`."""

    emotion: str
    side: int
    stem: str
    mod: str
    plain: str
    polite: str

    @property
    def of_verb(self) -> bool:
        """Whether it is a verb, whose denial is `지 않는다` and not `지 않다`."""
        return self.plain.removesuffix("다") not in (self.stem, "")

    def form(self, name: str, polite: bool) -> str:
        """Returns one of its forms.

        Args:
            name: stem, mod, end, but, so, not or notbut.
            polite: Whether a sentence that ends in it is polite.
        """
        verb = "는" if self.of_verb else ""
        reason = self.polite.removesuffix("요") + "서"
        return {
            "stem": self.stem,
            "mod": self.mod,
            "end": self.polite if polite else self.plain,
            "but": self.mod + "데",
            "so": self.stem + "라서" if self.polite.endswith("이에요") else reason,
            "not": self.stem + ("지 않아요" if polite else f"지 않{verb}다"),
            "notbut": self.stem + f"지 않{verb or '은'}데",
        }[name]


# ---- sentences ---------------------------------------------------------------------------------

GAP = re.compile(
    r"\{(?P<again>=?)(?P<target>[ab])\}"
    r"|\{(?P<predicate>[PQR])\.(?P<form>[a-z]+)\}"
    r"|\{(?P<plain>[^{}|]+)\|(?P<polite>[^{}|]+)\}"
    r"|\{(?P<word>[a-z]+)\}"
    r"|\[(?P<particle>[가-힣]+)\]"
    r"|(?P<text>[^{}\[\]]+)"
)


class Row(NamedTuple):
    """One row of a file, but for its id: the span's end is exclusive, as the contest has it."""

    sentence: str
    target: tuple[str, int, int] | None
    emotions: frozenset[str]


@dataclass
class Words:
    """The words of one split.

    Args:
        lists: The content of words.toml.
        dice: The random choices.
        training: Whether only targets for the training rows may be chosen.
    """

    lists: Mapping[str, Any]
    dice: Dice
    training: bool

    def target(self, kind: str) -> str:
        """Chooses a target from a list of which every third is kept from the training rows."""
        held = not self.training and self.dice.below(HELD_WORD_SHARE)
        words = self.lists["targets"][kind]
        word: str = self.dice.choice([w for i, w in enumerate(words) if (i % 3 == 2) == held])
        return word

    def predicate(self, kind: str) -> Predicate:
        """Chooses an emotion by its weight, and a predicate of it that suits the kind."""
        emotions: Mapping[str, tuple[int, int]] = self.lists["emotions"]
        drawn = [name for name, (weight, _) in emotions.items() for _ in range(weight)]
        while True:
            emotion = self.dice.choice(drawn)
            forms = self.lists["predicates"][emotion]
            suited = [words for *words, kinds in forms if kind in kinds.split()]
            if suited:
                return Predicate(emotion, emotions[emotion][1], *self.dice.choice(suited))

    def word(self, name: str) -> str:
        """Chooses one of the words of a plain list."""
        word: str = self.dice.choice(self.lists[name])
        return word


@dataclass
class Filled:
    """A frame whose words are chosen, and its text as far as it is written."""

    targets: dict[str, str]
    predicates: dict[str, Predicate]
    polite: bool
    text: str = ""
    spans: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def write(self, frame: Frame, words: Words) -> None:
        """Writes the text of the frame, and notes where its targets stand."""
        for gap in GAP.finditer(frame.text):
            start = len(self.text)
            self.text += self._written(gap, words)
            if gap["target"] and not gap["again"]:
                self.spans[gap["target"]] = (self.text[start:], start, len(self.text))

    def _written(self, gap: re.Match[str], words: Words) -> str:
        if gap["target"]:
            return self.targets[gap["target"]]
        if gap["predicate"]:
            return self.predicates[gap["predicate"]].form(gap["form"], self.polite)
        if gap["plain"]:
            return gap["polite"] if self.polite else gap["plain"]
        if gap["word"]:
            return words.word(gap["word"])
        return particle(self.text, gap["particle"]) if gap["particle"] else gap["text"]


def choose(frame: Frame, words: Words) -> Filled:
    """Chooses the words of a frame.

    Args:
        frame: The frame.
        words: Where they come from.

    Returns:
        The words, of sides as the frame asks; targets of one kind, and no emotion twice.
    """
    while True:
        targets, predicates = dict[str, str](), dict[str, Predicate]()
        kinds = [kind for kind in frame.about[0].kinds if kind != MOOD]
        kind = words.dice.choice(kinds or list(words.lists["targets"]))
        for about in frame.about:
            if about.target != MISSING:
                targets[about.target] = words.target(kind)
            for name in (*about.felt, *about.denied):
                predicates[name] = words.predicate(MOOD if MOOD in about.kinds else kind)
        if _fits(frame, predicates) and len(set(targets.values())) == len(targets):
            return Filled(targets, predicates, words.dice.below(POLITE_SHARE))


def _fits(frame: Frame, predicates: Mapping[str, Predicate]) -> bool:
    """Tells whether all emotions are different, and on the sides that the frame asks for."""
    emotions = {predicate.emotion for predicate in predicates.values()}
    sides = {name: predicate.side for name, predicate in predicates.items()}
    return len(emotions) == len(predicates) and all(
        sides[one] * sides[other] >= 0 if same else sides[one] * sides[other] < 0
        for one, other, same in frame.sides
    )


def make_sentence(frame: Frame, words: Words) -> list[Row]:
    """Makes a sentence of a frame.

    Args:
        frame: The frame.
        words: The words to fill it with.

    Returns:
        Its rows, in the order of their targets in the sentence.
    """
    filled = choose(frame, words)
    filled.write(frame, words)
    filled.text += _closing(frame, filled, words.dice)
    return [
        Row(
            filled.text,
            filled.spans.get(about.target),
            frozenset(filled.predicates[name].emotion for name in about.felt),
        )
        for about in frame.about
        if about.row
    ]


def _closing(frame: Frame, filled: Filled, dice: Dice) -> str:
    """Chooses what a sentence ends in: a smiley only where all that is said is on its side."""
    sides = {predicate.side for predicate in filled.predicates.values()}
    denied = any(about.denied for about in frame.about)
    if len(sides) == 1 and not denied and dice.below(SMILEY_SHARE):
        return str(dice.choice(SMILEYS.get(sides.pop(), ("",))))
    return str(dice.choice(CLOSING))


# ---- files -------------------------------------------------------------------------------------


def make_rows(seed: int) -> dict[str, list[Row]]:
    """Makes the rows of all splits.

    Args:
        seed: Where the random choices start.

    Returns:
        The rows by split; no sentence stands in two of them.
    """
    lists = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))
    frames = read_frames(HERE / "sentences.txt")
    dice, taken, made = Dice(seed), set[str](), dict[str, list[Row]]()
    for name, split in SPLITS.items():
        words = Words(lists, dice, name == "train")
        sentences = [
            sentence
            for targets, count in ((1, split.one), (2, split.two), (0, split.none))
            for sentence in _sentences(
                [f for f in frames if f.targets == targets], count, words, taken
            )
        ]
        made[name] = [row for sentence in dice.shuffled(sentences) for row in sentence]
    return made


def _sentences(
    frames: Sequence[Frame], count: int, words: Words, taken: set[str]
) -> Iterator[list[Row]]:
    """Goes round the frames in a random order until there are enough sentences."""
    usable = [frame for frame in frames if not (words.training and frame.held_out)]
    turns: list[Frame] = []
    while count:
        turns = turns or words.dice.shuffled(usable)
        rows = make_sentence(turns.pop(), words)
        if rows[0].sentence not in taken:
            taken.add(rows[0].sentence)
            count -= 1
            yield rows


def record(name: str, row: Row, emotions: Sequence[str], labelled: bool) -> dict[str, Any]:
    """Puts a row in the contest's form.

    Args:
        name: Its id.
        row: The row.
        emotions: All emotions, in the contest's order.
        labelled: Whether the emotions are told; elsewhere the output is empty.
    """
    form, begin, end = row.target or (None, None, None)
    output = {emotion: str(emotion in row.emotions) for emotion in emotions}
    return {
        "id": name,
        "input": {"form": row.sentence, "target": {"form": form, "begin": begin, "end": end}},
        "output": output if labelled else "",
    }


def write_rows(path: Path, split: str, rows: Sequence[Row], labelled: bool = True) -> None:
    """Writes rows as JSON Lines.

    Args:
        path: The file.
        split: What the ids begin with.
        rows: The rows.
        labelled: Whether the emotions are told.
    """
    emotions = list(tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))["emotions"])
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for number, row in enumerate(rows, 1):
            line = record(f"emotion-{split}-{number:04}", row, emotions, labelled)
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def main() -> None:
    """Writes train.jsonl, dev.jsonl, test.jsonl and test_gold.jsonl."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=HERE, help="the folder to write into")
    options = parser.parse_args()
    rows = make_rows(options.seed)
    for split in SPLITS:
        write_rows(options.out / f"{split}.jsonl", split, rows[split], labelled=split != "test")
    write_rows(options.out / "test_gold.jsonl", "test", rows["test"])
    print(", ".join(f"{name}: {len(split)} rows" for name, split in rows.items()))


if __name__ == "__main__":
    main()
