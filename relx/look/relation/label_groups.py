"""Relations that belong together: those whose names begin alike, such as `org:`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relx.data.labels import LabelList

OTHER = "other"  # the group of labels without a colon


@dataclass(frozen=True, slots=True)
class Group:
    """Labels of one kind of subject, such as `org`.

    Args:
        name: The part of the labels before the colon; the negative label is a group of its own.
        labels: The labels' indices in the label list.
    """

    name: str
    labels: tuple[int, ...]


def label_groups(labels: LabelList) -> list[Group]:
    """Groups labels by the part before the colon.

    Args:
        labels: The label list.

    Returns:
        The groups in the order of their first labels, but the negative label's first.
    """
    members: dict[str, list[int]] = {} if labels.negative is None else {labels.negative: []}
    for index, name in enumerate(labels.names):
        head, colon, _ = name.partition(":")
        group = name if name == labels.negative else head if colon else OTHER
        members.setdefault(group, []).append(index)
    return [Group(name, tuple(indices)) for name, indices in members.items()]
