"""Several runs and answer files as one: who belongs together, their weights, and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from relx.data.labels import LabelList
from relx.faults import Fault, InputError
from relx.score import ScoredRows
from relx.scoring.blending.means import Floats, Mean, blended
from relx.scoring.blending.weights import (
    agreement,
    likeliest_weights,
    likelihoods,
    parts_of,
    selected,
)
from relx.scoring.comparison import right_rows
from relx.scoring.decisions.decision import Decision
from relx.scoring.intervals import Difference, paired_bootstrap

PARTS = 10  # in which weights are cross-fitted
How = Literal["equal", "given", "found", "selected"]


@dataclass(frozen=True, slots=True, eq=False)
class Blending:
    """How members are put together.

    Args:
        how: Where the weights come from.
        mean: Of what the mean is taken.
        given: The weights, where they are given.
        rounds: How many members are selected, where they are.
    """

    how: How = "equal"
    mean: Mean = "probabilities"
    given: tuple[float, ...] = ()
    rounds: int = 0

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
        if self.how == "given" and (min(self.given) < 0 or not sum(self.given) > 0):
            what, received = "weights are numbers from 0 on, not all 0", str(self.given)
            raise InputError(Fault(what, "--weights", received))
        if self.how == "found" and self.mean != "probabilities":
            what = "weights are found for the mean of probabilities"
            step = "leave --mean out, or take --select N, which is for any mean"
            raise InputError(Fault(what, "--mean", self.mean, next_step=step))

    @property
    def is_found(self) -> bool:
        """Whether the weights depend on rows that they are found on."""
        return self.how in ("found", "selected")

    def fixed(self, members: int) -> Floats:
        """Returns weights that no rows decide: equal ones, or those given; `(members,)`."""
        given = np.array(self.given or [1.0] * members)
        return np.asarray(given / given.sum())

    def weights(self, rows: Sequence[ScoredRows], places: Any = slice(None)) -> Floats:
        """Returns the members' weights.

        Args:
            rows: Each member's predictions of rows that none was trained on.
            places: Which of the rows to find them on.

        Returns:
            `(members,)`, their sum 1.
        """
        if not self.is_found:
            return self.fixed(len(rows))
        first = rows[0]
        shares = [member.require_probabilities("an ensemble")[places] for member in rows]
        gold = first.gold_cells[places]
        if self.how == "found":
            return likeliest_weights(likelihoods(shares, gold, many=first.many))
        right = first.gold[places]

        def score(found: Floats) -> tuple[float, float]:
            chosen = first.decision.choose(found)
            f1 = first.decision.scores(right, found, first.labels, chosen).micro_f1
            return f1, float(np.log(likelihoods([found], gold, many=first.many)).mean())

        def blend(chosen: list[int]) -> Floats:
            taken = [shares[place] for place in chosen]
            return blended(taken, [1.0] * len(taken), self.mean, many=first.many)

        return selected(shares, score, self.rounds, blend)

    def blend(self, shares: Sequence[Floats], weights: Floats, *, many: bool) -> Floats:
        """Puts members together.

        Args:
            shares: Each member's probabilities, `(rows, labels)`.
            weights: Their weights.
            many: Whether a row may have any number of labels.
        """
        kept = [place for place, weight in enumerate(weights.tolist()) if weight > 0]
        taken, of_them = [shares[place] for place in kept], [float(weights[i]) for i in kept]
        return blended(taken, of_them, self.mean, many=many)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What an ensemble is worth on rows that none of its members was trained on.

    Args:
        members: Each member's rows.
        weights: The members' weights.
        blend: The blend of these rows; its cut-offs, if it has any, were searched on them.
        equal: The same with equal weights.
        cross_fitted: With the weights of each row found on the other parts; the equal blend where
            nothing was found.
        gain: By how much `cross_fitted` scores higher than `equal`; None where nothing was found.
        agreement: In which share of rows each two members choose the same.
        oracle: The share of rows that at least one member has right, in percent.
    """

    members: tuple[ScoredRows, ...]
    weights: Floats
    blend: ScoredRows
    equal: ScoredRows
    cross_fitted: ScoredRows
    gain: Difference | None
    agreement: Floats
    oracle: float

    @property
    def says(self) -> str:
        """What the gain says, in a sentence; empty where nothing was found."""
        if self.gain is None:
            return ""
        if self.gain.low > 0:
            return "on rows that the weights were not found on they do better than equal ones"
        worse = "worse than" if self.gain.high < 0 else "no better than"
        return f"on rows that the weights were not found on they do {worse} equal ones: take those"

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them; percentages are not rounded."""
        gain = self.gain
        return {
            "gold": self.blend.gold_file,
            "rows": len(self.blend.gold),
            "members": [
                {"name": rows.name, "weight": weight, "scores": rows.scores().figures()}
                for rows, weight in zip(self.members, self.weights.tolist(), strict=True)
            ],
            "equal": self.equal.scores().figures(),
            "blend": self.blend.scores().figures(),
            "cross_fitted": self.cross_fitted.scores().figures() if gain else None,
            "gain": gain and {n: getattr(gain, n) for n in ("value", "low", "high", "p")},
            "agreement": self.agreement.tolist(),
            "oracle": self.oracle,
        }


def measure(members: Sequence[ScoredRows], blending: Blending, draws: int = 1000) -> Measured:
    """Finds the weights of an ensemble, and what they are worth on rows that they never saw.

    Args:
        members: Each member's predictions of the same rows, which none was trained on.
        blending: How they are put together.
        draws: How many draws the gain's interval is from.

    Returns:
        The weights and scores. The rows are dealt to ten parts, those of one sentence together; the
        weights for each part are found on the others.
    """
    many, shares = members[0].many, [m.require_probabilities("an ensemble") for m in members]
    weights = blending.weights(members)
    equal_weights = np.full(len(members), 1 / len(members))
    equal = _rows_of(members[0], "equal", blending.blend(shares, equal_weights, many=many))
    blend = _rows_of(members[0], "ensemble", blending.blend(shares, weights, many=many))
    cross_fitted, gain = equal, None
    if blending.is_found:
        found = _cross_fitted(members, shares, blending)
        cross_fitted = _rows_of(members[0], "cross-fitted", found)
        gain = paired_bootstrap(equal, cross_fitted, draws)[0]["micro_f1"]
    right = np.stack([right_rows(member.predicted, member.gold) for member in members])
    return Measured(
        tuple(members),
        weights,
        blend,
        equal,
        cross_fitted,
        gain,
        agreement([member.predicted for member in members]),
        100 * float(right.any(axis=0).mean()),
    )


def _cross_fitted(
    members: Sequence[ScoredRows], shares: Sequence[Floats], blending: Blending
) -> Floats:
    """Blends each part of the rows by the weights that the other parts give."""
    first = members[0]
    found = np.empty_like(shares[0])
    parts = parts_of([row.sentence for row in first.examples], PARTS)
    for part in np.unique(parts).tolist():
        own = parts == part
        weights = blending.weights(members, np.flatnonzero(~own))
        found[own] = blending.blend(shares, weights, many=first.many)[own]
    return found


def _rows_of(first: ScoredRows, name: str, shares: Floats) -> ScoredRows:
    """Returns the rows of a blend, cut by cut-offs of its own where it has any."""
    decision = blended_decision(first, shares)
    chosen = decision.choose_unseen(shares)
    return ScoredRows(
        name=name,
        gold_file=first.gold_file,
        examples=first.examples,
        labels=first.labels,
        gold=first.gold,
        predicted=chosen,
        probabilities=shares,
        decision=decision,
        task=first.task,
    )


def blended_decision(first: ScoredRows, shares: Floats) -> Decision:
    """Returns how a blend's labels are chosen: by cut-offs searched on its own rows, if by any.

    Args:
        first: A member's rows.
        shares: The blend's probabilities of these rows, `(rows, labels)`.
    """
    decision = first.decision
    if decision.cutoffs is not None and decision.cutoffs.source == "given":
        return decision
    sentences = [row.sentence for row in first.examples]
    return decision.fitted(first.gold, shares, sentences, first.labels)


def require_alike(rows: Sequence[ScoredRows]) -> None:
    """Checks that members were scored on the same rows, with the same labels.

    Args:
        rows: Each member's rows.

    Raises:
        InputError: One differs from the first.
    """
    first, *others = rows
    for other in others:
        require_same_list(first.labels, other.labels, first.name, other.name)
        if [row.id for row in first.examples] != [row.id for row in other.examples]:
            what = f"these are not the rows that {first.name} was scored on"
            received = f"{len(other.examples):,} rows of {other.gold_file}"
            allowed = f"the {len(first.examples):,} rows of {first.gold_file}"
            step = "members have to share the rows that weights are found on: name --gold FILE"
            raise InputError(Fault(what, other.name, received, allowed, step))
        if not np.array_equal(first.gold, other.gold):
            what = f"the gold labels of these rows differ from those that {first.name} has"
            raise InputError(Fault(what, other.name))


def require_same_list(expected: LabelList, found: LabelList, first: str, name: str) -> None:
    """Checks that two members have the same labels, in the same order.

    Args:
        expected: The first member's labels.
        found: Another's.
        first: The first member's name.
        name: The other's.

    Raises:
        InputError: They differ.
    """
    if expected != found:
        pairs = zip(expected.names, found.names, strict=False)
        differ = next(((a, b) for a, b in pairs if a != b), None)
        received = f"{len(found)} labels" if differ is None else f"{differ[1]}"
        allowed = f"{len(expected)} labels" if differ is None else f"{differ[0]}, as {first} has"
        what = f"this has other labels than {first}, or another negative one"
        raise InputError(Fault(what, name, received, allowed, kind="other labels"))
