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
REFUSED = [
    (MANY, {"focal": 2.0}, "decide.loss: asymmetric counts easy labels for little"),
    (VOCABULARY, {"focal": 2.0}, "is for plain cross-entropy; set train.focal to null"),
    (ENCODER, {"focal": 0.0}, "greater than 0"),
    (MANY, {"class_weights": "balanced"}, "decide.positive_weights weighs the labels"),
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
