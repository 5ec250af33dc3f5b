"""Stage 2's options of loss, head and targets: what goes together, and what a run is made of."""

import numpy as np
import pytest

from relx.faults import InputError
from relx.recipe import TrainSection
from relx.recipe_file import recipe_from_tree
from relx.scoring.decisions.any_of import AnyOf
from relx.scoring.decisions.one_of import ONE_OF
from relx.training.objective import objective

ENCODER = {"name": "x", "encoder": {"from": "some/encoder"}}
DECODER = {"name": "x", "decoder": {"from": "some/decoder"}}
MANY = ENCODER | {"task": "target", "data": {"labels": ["a", "b"]}}
VOCABULARY = {"name": "x", "decoder": {"from": "some/decoder", "softmax": "vocabulary"}}
DECODED_MANY = DECODER | {"task": "target", "data": {"labels": ["a", "b"]}}
REFUSED = [
    (MANY, {"focal": 2.0}, "decide.loss: asymmetric counts easy labels for little"),
    (VOCABULARY, {"focal": 2.0}, "is for plain cross-entropy; set train.focal to null"),
    (ENCODER, {"focal": 0.0}, "greater than 0"),
    (MANY, {"class_weights": "balanced"}, "decide.positive_weights weighs the labels"),
    (ENCODER, {"distill": {"weight": 0.3}}, "only with distill.file"),
    (
        {**ENCODER, "augment": {"punctuation": 1.0}},
        {"distill": {"file": "a.csv"}},
        "rows that augment makes have no soft labels",
    ),
    (ENCODER, {"distill": {"file": "a.csv", "weight": 0.0}}, "greater than 0"),
    (VOCABULARY, {"distill": {"file": "a.csv"}}, "set decoder.softmax to labels"),
    (DECODED_MANY, {"distill": {"file": "a.csv"}}, "set decide.loss to binary_cross_entropy"),
    (ENCODER, {"class_weights_from": 2}, "only with class_weights"),
    (ENCODER, {"dropout_samples": 2, "dropout": 0.0}, "without dropout all masks are the same"),
    (DECODER, {"dropout_samples": 2}, "train.dropout_samples: only an encoder has it"),
    (DECODER, {"reinit_layers": 1}, "train.reinit_layers: only an encoder has it"),
    (
        ENCODER,
        {"class_weights": "effective", "class_weights_from": 6},
        "class_weights_from is 6: of 5 epochs none",
    ),
]


@pytest.mark.parametrize(("tree", "train", "said"), REFUSED)
def test_what_does_not_go_together_is_refused(tree, train, said):
    with pytest.raises(InputError) as caught:
        recipe_from_tree(tree | {"train": train})
    assert said in str(caught.value.faults[0])


def test_soft_labels_reach_the_loss_with_what_they_weigh_and_of_how_many_labels():
    section = TrainSection.model_validate({"focal": 1.0, "distill": {"file": "a.csv"}})
    own = {"weight": 0.5, "temperature": 1.0, "one": True}
    found = objective(section, ONE_OF, np.zeros(3, np.int32))
    assert found == ("focal", {"gamma": 1.0, "distilled": own})
    many = TrainSection.model_validate({"distill": {"file": "a.csv", "temperature": 3.0}})
    _, options = objective(many, AnyOf(loss="asymmetric"), np.zeros((3, 2), np.float32))
    assert options["distilled"] == {"weight": 0.5, "temperature": 3.0, "one": False}
    assert options["margin"] == 0.05


@pytest.mark.parametrize("tree", [ENCODER, DECODER, VOCABULARY, MANY])
def test_nothing_is_refused_that_was_not_asked_for(tree):
    assert recipe_from_tree(tree).train.focal is None


@pytest.mark.parametrize("tree", [ENCODER, DECODER, MANY | {"decide": {"labels": "one"}}])
def test_a_focal_loss_is_for_one_label_of_either_family(tree):
    assert recipe_from_tree(tree | {"train": {"focal": 2.0}}).train.focal == 2.0


def test_the_loss_is_the_decisions_unless_an_option_changes_it():
    assert objective(TrainSection(), ONE_OF, None) == ("cross_entropy", {})
    weighted = AnyOf(positive_weights=[2.0, 3.0])
    found = objective(TrainSection(), weighted, np.zeros((3, 2), np.float32))
    assert found == ("binary_cross_entropy", {"positive_weights": [2.0, 3.0]})
    assert objective(TrainSection(focal=1.5), ONE_OF, None) == ("focal", {"gamma": 1.5})
