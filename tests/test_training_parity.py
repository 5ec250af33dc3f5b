"""Fine-tuning beside PyTorch, step by step: the same encoder and batches give the same losses."""

import json

import numpy as np
import pytest
from keras import ops

from relx.data.batches import Feeder
from relx.data.tokenizing.token_rows import TokenRow
from relx.devices.device import open_device
from relx.models.arrays import SpanArrays
from relx.models.classifier import head_weights, span_classifier
from relx.models.encoder.load import load_encoder, save_encoder
from relx.recipe import DeviceSection, FreshSizes, FreshSource, TrainSection
from relx.spans import Span
from relx.tasks.relation.task import POOLINGS
from relx.training.fit import compile_for

CLASSES, STEPS, RATE, SMOOTHING = 4, 12, 3e-3, 0.1
SIZES = FreshSizes(layers=2, hidden=24, heads=3, intermediate=48, vocabulary=90)


def token_rows(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        length = int(rng.integers(6, 20))
        ids = rng.integers(5, 37, length).astype(np.int32)
        at = sorted(rng.choice(np.arange(1, length - 1), 2, replace=False).tolist())
        spans = [Span(i, i + 1) for i in at]
        yield TokenRow(ids, np.zeros_like(ids), tuple(spans), tuple(at))


@pytest.fixture
def encoder(tmp_path):
    """A tiny encoder without dropout, as a folder."""
    open_device(DeviceSection(precision="float32"), 0)
    sentences = [f"{a}{b} {c}" for a in "가나다라" for b in "마바사아" for c in "자차카타"]
    loaded = load_encoder(FreshSource(fresh=SIZES), sentences=lambda: sentences, seed=2)
    save_encoder(loaded, tmp_path / "encoder", "")
    config = json.loads((tmp_path / "encoder/config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (tmp_path / "encoder/config.json").write_text(json.dumps(config))
    return tmp_path / "encoder"


def test_losses_follow_pytorch_step_by_step(encoder):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    device = open_device(DeviceSection(precision="float32"), 0)
    loaded = load_encoder(str(encoder), seed=0)
    pooling = POOLINGS["entity_starts"]
    model = span_classifier(loaded.encoder, classes=CLASSES, pooling=pooling, dropout=0.0, seed=1)
    rows = list(token_rows(STEPS * 4 - 2))  # the last batch is uneven
    targets = np.random.default_rng(1).integers(0, CLASSES, len(rows)).astype(np.int32)
    arrays = SpanArrays(rows, pooling, 0, segments=True, targets=targets)
    feeder = Feeder(arrays.lengths, 4, 0, arrays.training)

    theirs = transformers.AutoModel.from_pretrained(encoder, add_pooling_layer=False).train()
    head = {name: torch.nn.Parameter(torch.tensor(w)) for name, w in head_weights(model).items()}

    def their_loss(batch):
        inputs = {name: torch.tensor(array) for name, array in arrays.inputs(batch).items()}
        hidden = theirs(
            input_ids=inputs["token_ids"],
            attention_mask=inputs["padding_mask"],
            token_type_ids=inputs["segment_ids"],
        ).last_hidden_state
        places = inputs["spans"][:, :, 0].long()
        pooled = torch.cat([hidden[torch.arange(len(hidden)), places[:, i]] for i in (0, 1)], -1)
        dense = torch.tanh(pooled @ head["relation_dense/kernel"] + head["relation_dense/bias"])
        logits = dense @ head["relation_logits/kernel"] + head["relation_logits/bias"]
        real = torch.tensor(targets[batch.rows]).long()[: batch.real]
        return torch.nn.functional.cross_entropy(
            logits[: batch.real], real, label_smoothing=SMOOTHING
        )

    named = [*theirs.named_parameters(), *head.items()]
    undecayed = [p for name, p in named if name.endswith("bias") or "LayerNorm" in name]
    decayed = [p for name, p in named if not (name.endswith("bias") or "LayerNorm" in name)]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": undecayed, "weight_decay": 0}]
    torch_adamw = torch.optim.AdamW(groups, lr=RATE, eps=1e-8)

    section = TrainSection(learning_rate=RATE, warmup=0.25, epochs=1)
    compile_for(device, model, section, STEPS, SMOOTHING)
    ours, others = [], []
    for step, (batch, (inputs, y, w)) in enumerate(
        zip(feeder.plan(0), feeder.arrays(0), strict=True)
    ):
        ours.append(float(model.train_on_batch(inputs, y, w)))
        for group in torch_adamw.param_groups:
            group["lr"] = RATE * min((step + 1) / 3, (STEPS - step) / (STEPS - 3), 1.0)
        torch_adamw.zero_grad()
        loss = their_loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        torch_adamw.step()
        others.append(float(loss.detach()))
    assert len(ours) == STEPS
    assert np.abs(np.array(ours) - np.array(others)).max() < 2e-4
    assert abs(others[-1] - others[0]) > 0.02  # something was learnt, so that equality means it
    trained = theirs.encoder.layer[1].output.dense.weight.detach().numpy().T
    weight = loaded.encoder.transformer_layers[1].output_dense.kernel
    assert np.abs(ops.convert_to_numpy(weight) - trained).max() < 5e-3
