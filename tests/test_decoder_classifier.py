"""The classifier of prompts: label logits beside transformers, the shared beginning, the heads."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from relx.data.batches import Batch
from relx.data.prompts.prompt_rows import PromptRows
from relx.models.decoder.arrays import PromptArrays
from relx.models.decoder.classifier import prompt_classifier
from relx.models.decoder.configurations.families import read_configuration
from relx.models.decoder.files.adapter_config import adapters_for
from relx.models.decoder.files.load import load_decoder
from relx.models.decoder.heads import ClassHead, WordHead, assign_head, head_weights
from relx.models.decoder.layers.linear import Lora
from tests.decoder_models import VOCABULARY, write_reference

torch = pytest.importorskip("torch")
LABELS = [11, 12, 13, 14]
SHARED = 7


def prompts(rows=5, seed=1):
    """Rows of several lengths that begin with the same seven tokens."""
    rng = np.random.default_rng(seed)
    shared = rng.integers(3, VOCABULARY, SHARED).tolist()
    return [shared + rng.integers(3, VOCABULARY, 3 + 2 * row).tolist() for row in range(rows)]


def arrays_of(rows, prefix):
    flat = PromptRows(np.concatenate(rows), np.cumsum([0, *map(len, rows)]))
    return PromptArrays(flat, prefix, pad_id=0)


def classifier(folder, prefix, **options):
    loaded = load_decoder(folder, **options)
    c = loaded.decoder.configuration
    head = WordHead(len(LABELS), c.hidden_size, cap=c.logit_cap)
    head.rows.assign(loaded.output_rows(LABELS))
    return prompt_classifier(loaded.decoder, head, prefix)


def logits_of(model, rows, prefix):
    arrays = arrays_of(rows, prefix)
    batch = Batch(np.arange(len(rows)), len(rows), int(arrays.lengths.max()))
    return ops.convert_to_numpy(model(arrays.inputs(batch), training=False))


@pytest.mark.parametrize(
    "name", ["llama-biases", "gemma2", "gemma3", "gpt_neox", "gpt2", "exaone4"]
)
def test_label_logits_are_those_of_transformers_whatever_is_shared(name, tmp_path):
    model, rows = write_reference(name, tmp_path), prompts()
    with torch.no_grad():
        theirs = [
            model(input_ids=torch.tensor([row])).logits[0, -1, LABELS].numpy() for row in rows
        ]
    for prefix in (0, SHARED):
        ours = logits_of(classifier(tmp_path, rows[0][:prefix]), rows, prefix)
        assert np.abs(ours - np.stack(theirs)).max() <= 2e-5


def test_inputs_are_the_rows_without_what_they_share(tmp_path):
    rows = prompts(2)
    arrays = arrays_of(rows, SHARED)
    inputs = arrays.inputs(Batch(np.array([1, 0]), 2, 6))
    assert arrays.lengths.tolist() == [3, 5]
    assert inputs["token_ids"].tolist() == [[*rows[1][SHARED:], 0], [*rows[0][SHARED:], 0, 0, 0]]
    assert inputs["last"].tolist() == [4, 2]
    assert all(array.dtype == np.int32 for array in inputs.values())


def test_an_adapter_changes_nothing_before_it_has_learnt(tmp_path):
    write_reference("llama", tmp_path)
    rows, configuration = prompts(), read_configuration(tmp_path)
    adapters = adapters_for(configuration, "all-linear", Lora(4, 8.0, 0.1))
    plain = logits_of(classifier(tmp_path, ()), rows, 0)
    adapted = classifier(tmp_path, (), adapters=adapters)
    assert np.array_equal(logits_of(adapted, rows, 0), plain)
    names = {variable.name for variable in adapted.trainable_variables}
    assert names == {"lora_a", "lora_b"}
    assert len(adapted.trainable_variables) == 2 * 7 * configuration.num_layers


def test_heads_keep_what_trains_and_nothing_else():
    frozen, new = WordHead(3, 4), WordHead(3, 4, trained=True, biases=True)
    classes = ClassHead(3, 4)
    classes.draw(1)
    assert head_weights(frozen) == {}
    assert set(head_weights(new)) == {"rows", "bias"}
    other = ClassHead(3, 4)
    assign_head(other, head_weights(classes))
    states = np.ones((2, 4), np.float32)
    assert np.array_equal(
        ops.convert_to_numpy(other(states)), ops.convert_to_numpy(classes(states))
    )
    with pytest.raises(ValueError, match="kernel has the shape"):
        assign_head(ClassHead(2, 4), head_weights(classes))


def test_a_soft_cap_is_the_labels_too():
    head = WordHead(2, 1, cap=5.0)
    head.rows.assign(np.array([[100.0], [1.0]], np.float32))
    logits = ops.convert_to_numpy(head(np.ones((1, 1), np.float32)))
    assert np.allclose(logits, [[5.0, 5 * np.tanh(0.2)]])
