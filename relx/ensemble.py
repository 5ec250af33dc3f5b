"""Several runs and answer files as one: who belongs together, their weights, and what they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from relx.data.labels import LabelList
from relx.faults import Fault, InputError, shorten
from relx.score import ScoredRows
from relx.scoring.blending.agreement import agreement, parts_of
from relx.scoring.blending.means import Floats, Mean, lifted, settled
from relx.scoring.blending.quality import Quality
from relx.scoring.blending.selection import selected
from relx.scoring.blending.weights import likeliest_weights, likelihoods
from relx.scoring.comparison import right_rows
from relx.scoring.decisions.decision import Decision
from relx.scoring.intervals import Difference, Interval, bootstrap, paired_bootstrap
from relx.scoring.label_order import places

PARTS = 10  # in which weights are cross-fitted
How = Literal["equal", "given", "found", "selected"]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Blending:
    """How members are put together.

    Args:
        how: Where the weights come from.
        mean: Of what the mean is taken.
        given: The weights, where they are given.
        rounds: How many members are selected, where they are; None for as many as score best.
        measure: What members are selected for, and gains are measured by: a name of
            `Scores.titles`.
    """

    how: How = "equal"
    mean: Mean = "probabilities"
    given: tuple[float, ...] = ()
    rounds: int | None = None
    measure: str = "micro_f1"

    def require(self, members: int) -> None:
        """Checks that it fits so many members.

        Args:
            members: How many there are.

        Raises:
            InputError: It does not.
        """
        if self.how == "given" and len(self.given) != members:
            what, received = "each member needs a weight", f"{len(self.given)} weights"
            raise InputError(Fault(what, "--weights", received, f"{members} weights"))
        usable = all(weight >= 0 and math.isfinite(weight) for weight in self.given)
        if self.how == "given" and not (usable and sum(self.given) > 0):
            what, received = "weights are numbers from 0 on, not all 0", str(self.given)
            raise InputError(Fault(what, "--weights", received))
        if self.how == "found" and self.mean == "ranks":
            what = "ranks are no probabilities, and no weights make what is right likeliest"
            step = "take --select auto, which is for any mean, or another --mean"
            raise InputError(Fault(what, "--mean", self.mean, next_step=step))

    @property
    def is_found(self) -> bool:
        """Whether the weights depend on rows that they are found on."""
        return self.how in ("found", "selected")

    def fixed(self, members: int) -> Floats:
        """Returns weights that no rows decide: equal ones, or those given; `(members,)`."""
        given = np.array(self.given or [1.0] * members)
        return np.asarray(given / given.sum())

    def weights(self, parts: Sequence[Floats], first: ScoredRows, chosen: Ints | None) -> Floats:
        """Returns the members' weights.

        Args:
            parts: What `lifted` gives of each member, `(rows, labels)`.
            first: A member's rows, which no member was trained on.
            chosen: Which of the rows to find the weights on; None for all.

        Returns:
            `(members,)`, their sum 1.
        """
        if not self.is_found:
            return self.fixed(len(parts))
        own = slice(None) if chosen is None else chosen
        gold, many = first.gold_cells[own], first.many
        seen = [part[own] for part in parts]
        if self.how == "found":
            return likeliest_weights(seen, gold, self.mean, many=many)
        quality = Quality(gold, first.labels, first.decision, self.measure)

        def score(total: Floats) -> tuple[float, float]:
            shares = settled(total, self.mean, many=many)
            likely = float(np.log(likelihoods([shares], gold, many=many)).mean())
            return round(quality.of(shares), 12), likely

        return selected(seen, score, self.rounds)

    def blend(self, parts: Sequence[Floats], weights: Floats, *, many: bool) -> Floats:
        """Puts together what `lifted` gave of each member; see `blended`."""
        total = np.zeros_like(parts[0])
        for part, weight in zip(parts, weights.tolist(), strict=True):
            if weight > 0:
                total += weight * part
        return settled(total, self.mean, many=many)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What an ensemble is worth on rows that none of its members was trained on.

    Args:
        members: Each member's rows.
        weights: The members' weights.
        blend: The blend of these rows.
        equal: The same with equal weights.
        unseen: With the weights of each row found on the other parts; the blend itself where
            nothing was found.
        measure: What the gains are of: a name of `Scores.titles`.
        interval: The measure of `unseen`; None where it has none.
        gain: By how much `unseen` is higher than `equal`; None where the weights are equal.
        best: The member that is the highest on these rows.
        over_best: By how much `unseen` is higher than this.
        agreement: In which share of rows each two members choose the same.
        oracle: The share of rows that at least one member has right, in percent.
    """

    members: tuple[ScoredRows, ...]
    weights: Floats
    blend: ScoredRows
    equal: ScoredRows
    unseen: ScoredRows
    measure: str
    interval: Interval | None
    gain: Difference | None
    best: str
    over_best: Difference | None
    agreement: Floats
    oracle: float

    @property
    def title(self) -> str:
        """The measure's title."""
        return self.equal.scores().titles[self.measure]

    @property
    def says(self) -> str:
        """What the gain says, in a sentence; empty where the weights are equal."""
        if self.gain is None:
            return ""
        if self.gain.low > 0:
            return "these weights do better than equal ones"
        worse = "worse than" if self.gain.high < 0 else "no better than"
        return f"these weights do {worse} equal ones: take --weights equal"

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them; percentages are not rounded."""
        differs = self.gain is not None
        return {
            "gold": self.blend.gold_file,
            "rows": len(self.blend.gold),
            "members": [
                {"name": rows.name, "weight": weight, "scores": rows.scores().figures()}
                for rows, weight in zip(self.members, self.weights.tolist(), strict=True)
            ],
            "equal": self.equal.scores().figures(),
            "blend": self.blend.scores().figures(),
            "unseen": self.unseen.scores().figures() if differs else None,
            "measure": self.measure,
            "interval": self.interval and asdict(self.interval),
            "gain": self.gain and asdict(self.gain),
            "best": self.best,
            "over_best": self.over_best and asdict(self.over_best),
            "agreement": self.agreement.tolist(),
            "oracle": self.oracle,
        }


def measure(members: Sequence[ScoredRows], blending: Blending, draws: int = 1000) -> Measured:
    """Finds the weights of an ensemble, and what they are worth on rows that they never saw.

    Args:
        members: Each member's predictions of the same rows, which none was trained on.
        blending: How they are put together.
        draws: How many draws the intervals are from.

    Returns:
        The weights and scores. The rows are dealt to ten parts, those of one sentence together; the
        weights for each part are found on the others. Cut-offs that are searched, be they a
        member's or a blend's, are searched likewise, so that none is flattered.
    """
    alike = [_cut_unseen(member) for member in members]
    first, many = alike[0], alike[0].many
    parts = [
        lifted(rows.require_probabilities("an ensemble"), blending.mean, many=many)
        for rows in alike
    ]
    weights = blending.weights(parts, first, None)
    shares = {
        "equal": blending.blend(parts, np.full(len(parts), 1 / len(parts)), many=many),
        "blend": blending.blend(parts, weights, many=many),
    }
    equal, blend = (_rows_of(first, name, of) for name, of in shares.items())
    unseen = blend
    if blending.is_found:
        unseen = _rows_of(first, "unseen", _cross_fitted(parts, first, blending))
    name = blending.measure if blending.measure in equal.scores().titles else "micro_f1"
    best = max(alike, key=lambda rows: getattr(rows.scores(), name) or 0.0)
    gains = [paired_bootstrap(one, unseen, draws)[0].get(name) for one in (equal, best)]
    right = np.stack([right_rows(member.predicted, member.gold) for member in alike])
    return Measured(
        members=tuple(alike),
        weights=weights,
        blend=blend,
        equal=equal,
        unseen=unseen,
        measure=name,
        interval=bootstrap(unseen, draws).scores.get(name),
        gain=None if blending.how == "equal" else gains[0],
        best=best.name,
        over_best=gains[1],
        agreement=agreement([member.predicted for member in alike]),
        oracle=100 * float(right.any(axis=0).mean()),
    )


def _cross_fitted(parts: Sequence[Floats], first: ScoredRows, blending: Blending) -> Floats:
    """Blends each part of the rows by the weights that the other parts give."""
    found = np.empty_like(parts[0])
    dealt = parts_of([row.sentence for row in first.examples], PARTS)
    for number in np.unique(dealt).tolist():
        own = dealt == number
        weights = blending.weights(parts, first, np.flatnonzero(~own))
        found[own] = blending.blend([part[own] for part in parts], weights, many=first.many)
    return found


def _cut_unseen(member: ScoredRows) -> ScoredRows:
    """Returns a member's rows, cut by cut-offs that were searched on others, if by any."""
    if not member.decision.takes_cutoffs:
        return member
    return replace(
        _rows_of(member, member.name, member.require_probabilities("an ensemble")),
        decision=member.decision,
    )


def _rows_of(first: ScoredRows, name: str, shares: Floats) -> ScoredRows:
    """Returns the rows of a blend, cut by cut-offs of its own where it has any."""
    decision = blended_decision(first, shares)
    chosen = decision.choose_unseen(shares)
    return replace(
        first,
        name=name,
        predicted=chosen,
        probabilities=shares,
        decision=decision,
        found=None,
        folds=None,
        own_dev=False,
    )


def blended_decision(first: ScoredRows, shares: Floats) -> Decision:
    """Returns how a blend's labels are chosen: by cut-offs searched on its own rows, if by any.

    Args:
        first: A member's rows, whose decision has no cut-offs but those that were given.
        shares: The blend's probabilities of these rows, `(rows, labels)`.
    """
    if first.decision.cutoffs is not None:
        return first.decision
    sentences = [row.sentence for row in first.examples]
    return first.decision.fitted(first.gold, shares, sentences, first.labels)


def require_alike(rows: Sequence[ScoredRows]) -> None:
    """Checks that members were scored on the same rows, with the same labels.

    Args:
        rows: Each member's rows.

    Raises:
        InputError: One differs from the first.
    """
    first, *others = rows
    for other in others:
        require_same_labels(first.labels, other.labels, first.name, other.name)
        if [row.id for row in first.examples] != [row.id for row in other.examples]:
            what = f"these are not the rows that {first.name} was scored on"
            received = f"{len(other.examples):,} rows of {other.gold_file}"
            allowed = f"the {len(first.examples):,} rows of {first.gold_file}"
            step = "members have to share the rows that weights are found on: name --gold FILE"
            raise InputError(Fault(what, other.name, received, allowed, step))
        if not np.array_equal(first.gold, other.gold):
            what = f"the gold labels of these rows differ from those that {first.name} has"
            raise InputError(Fault(what, other.name))


def require_same_labels(expected: LabelList, found: LabelList, first: str, name: str) -> None:
    """Checks that two members have the same labels, in whatever order.

    Args:
        expected: The first member's labels.
        found: Another's.
        first: The first member's name.
        name: The other's.

    Raises:
        InputError: They differ.
    """
    own, other = set(expected.names), set(found.names)
    if own != other:
        what = f"this has other labels than {first}"
        received = f"it alone has {shorten(sorted(other - own))}"
        allowed = f"{len(own)} labels; {first} alone has {shorten(sorted(own - other))}"
        raise InputError(Fault(what, name, received, allowed, kind="other labels"))
    if expected.negative != found.negative:
        what = f"this has another negative label than {first}"
        received, allowed = str(found.negative), str(expected.negative)
        raise InputError(Fault(what, name, received, allowed, kind="other labels"))


def columns_of(expected: LabelList, found: LabelList) -> Ints:
    """Returns the column of each label, `(labels,)`: `shares[:, columns]` is in our order.

    Args:
        expected: The labels in our order.
        found: The same labels in the order of the columns.
    """
    return places(expected, found.names)


def in_order(rows: ScoredRows, labels: LabelList, decision: Decision) -> ScoredRows:
    """Returns a member's rows with the labels in our order, and with our decision.

    Args:
        rows: The rows.
        labels: The same labels as theirs, in our order.
        decision: How labels are chosen and scored.
    """
    columns = columns_of(labels, rows.labels)
    gold, predicted = rows.gold, rows.predicted
    if rows.many:
        gold, predicted = gold[:, columns], predicted[:, columns]
    else:
        numbers = np.argsort(columns)  # ours, by theirs
        gold, predicted = numbers[gold], numbers[predicted]
    return replace(
        rows,
        labels=labels,
        decision=decision,
        gold=gold,
        predicted=predicted,
        probabilities=rows.require_probabilities("an ensemble")[:, columns],
    )
