"""The decoder beside transformers: hidden states and logits of every family."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from relx.models.decoder.files.load import load_decoder
from tests.decoder_models import MODELS, batch_of_ids, logits_of, write_reference

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", MODELS)
def test_states_and_logits_are_those_of_transformers(name, tmp_path):
    model = write_reference(name, tmp_path)
    ids, mask = batch_of_ids()
    with torch.no_grad():
        theirs = model(
            input_ids=torch.tensor(ids.astype(np.int64)),
            attention_mask=torch.tensor(mask.astype(np.int64)),
            output_hidden_states=True,
        )
    loaded = load_decoder(tmp_path)
    states = loaded.decoder(ids)
    real = mask == 1
    hidden = theirs.hidden_states[-1].numpy()
    assert np.abs(ops.convert_to_numpy(states) - hidden)[real].max() <= 2e-5
    logits = theirs.logits.numpy()
    assert np.abs(logits).max() > 0.5
    assert np.abs(logits_of(loaded, states) - logits)[real].max() <= 2e-5
