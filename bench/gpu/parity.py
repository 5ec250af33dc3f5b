"""How near relx is to transformers on the same device: hidden states, logits, training steps.

python bench/gpu/parity.py WORK.json, which bench/gpu.py writes; one backend a process.

The reference is transformers in float32, with matrix products in the highest precision. Beside it:
relx in float32, likewise highest; relx in mixed_bfloat16; and transformers under bfloat16 autocast,
which says how far bfloat16 alone is from the reference. Figures are largest absolute differences,
of hidden states and masked-LM logits at tokens, and of the losses of five fine-tuning steps.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(BENCH), str(BENCH.parent / "tests")]
# Read by JAX when it starts: products of float32 numbers in float32, not in TF32.
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from record import Record  # noqa: E402

from relx.devices.device import open_device  # noqa: E402
from relx.recipe import DeviceSection, TrainSection  # noqa: E402

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
# A rate at which random weights of a large shape learn smoothly: no step magnifies a difference.
STEPS, RATE, SMOOTHING, CLASSES = 5, 1e-4, 0.1, 7
DROPOUTS = (
    "attention_dropout",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "dropout",
    "embedding_dropout",
    "hidden_dropout_prob",
    "mlp_dropout",
    "pooler_dropout",
)
# What a tensor of a masked-LM head is called in some architecture.
HEADS = ("lm_head", "predictions", "vocab_transform", "decoder.bias")
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
Work = dict[str, Any]
Arrays = dict[str, np.ndarray]
Figures = dict[str, Any]


def main() -> None:
    work: Work = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    record = Record(Path(work["out"]), f"parity on {work['backend']}", work["deadline"])
    record.figures["device"] = torch.cuda.get_device_name() if CUDA else "CPU"
    torch.backends.cuda.matmul.allow_tf32 = False
    open_device(DeviceSection(backend=work["backend"], precision="float32"), seed=0)
    transformers.utils.logging.set_verbosity_error()
    left = list(work["cases"])
    while left and record.seconds_left > 0:
        case = left.pop(0)
        with tempfile.TemporaryDirectory() as folder:
            try:
                measure(case, work, Path(folder) / "model", record)
            except Exception as error:  # of a case: the next one begins
                traceback.print_exc()
                record.add("failures", {"case": case, "why": f"{type(error).__name__}: {error}"})
        gc.collect()
        torch.cuda.empty_cache()
    failed = len(record.figures.get("failures", []))
    ended = "complete" if not failed else f"{failed} cases failed"
    record.end(ended if not left else f"out of time before {', '.join(left)}")


def measure(case: str, work: Work, folder: Path, record: Record) -> None:
    """Measures one model, and notes every figure as soon as it is known."""
    write_model(case, work, folder)
    inputs = token_inputs(folder)
    with_head = _has_head(folder)
    reference = their_outputs(folder, inputs, with_head, "float32")
    for precision, policy in PRECISIONS.items():
        row: Figures = {"case": case, "precision": precision}
        ours = our_outputs(folder, inputs, with_head, policy, work["backend"])
        row |= differences(ours, reference, inputs)
        if precision == "bfloat16":
            theirs = their_outputs(folder, inputs, with_head, precision)
            row |= differences(theirs, reference, inputs, "transformers_")
        record.add("outputs", row)
    if case not in work["trained"]:
        return
    expected = None
    for precision, policy in PRECISIONS.items():
        ours, theirs = losses(folder, inputs, precision, policy, work["backend"])
        expected = theirs if expected is None else expected
        row = {"case": case, "precision": precision, "steps": STEPS, "losses": ours}
        row |= {"reference": expected, "loss": _largest(ours, expected)}
        row |= {"transformers_loss": _largest(theirs, expected)} if precision != "float32" else {}
        record.add("training", row)


def _largest(ours: list[float], theirs: list[float]) -> float:
    return float(np.abs(np.array(ours) - np.array(theirs)).max())


# --- models and inputs ---------------------------------------------------------------------------


def write_model(case: str, work: Work, folder: Path) -> None:
    """Writes a model without dropout: a tiny random one, a true shape at random, or a real one."""
    source = Path(work["models"], case)
    if not source.exists():
        import encoder_models

        encoder_models.write(encoder_models.theirs(case), folder)
    elif list(source.glob("*.safetensors")):
        shutil.copytree(source, folder)
        for path in folder.iterdir():  # a copy of what cannot be written cannot be, either
            path.chmod(0o644)
    else:
        _write_random(source, folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {name: 0.0 for name in DROPOUTS if name in config}
    path.write_text(json.dumps(config), encoding="utf-8")


def _write_random(shape: Path, folder: Path) -> None:
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(shape)
    with torch.device(DEVICE):
        model = transformers.AutoModelForMaskedLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():  # no bias and no norm is left at its start
            parameter.add_(0.02 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    for path in shape.glob("*[tv]o*"):  # vocab.txt, tokenizer.json, tokenizer_config.json
        shutil.copyfile(path, folder / path.name)


def _has_head(folder: Path) -> bool:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "np") as file:
        names = list(file.keys())
    return any(part in name for name in names for part in HEADS)


def token_inputs(folder: Path, lengths: tuple[int, ...] = (32, 21, 30, 9)) -> Arrays:
    """Draws a batch of token ids with padding, (batch, length)."""
    config = transformers.AutoConfig.from_pretrained(folder)
    rng = np.random.default_rng(0)
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.where(mask, rng.integers(5, config.vocab_size, mask.shape), config.pad_token_id)
    return {"input_ids": ids, "attention_mask": mask}


def differences(ours: list[Any], other: list[Any], inputs: Arrays, prefix: str = "") -> Figures:
    """The largest differences at tokens of hidden states and, with a head, of logits."""
    inside = inputs["attention_mask"].astype(bool)
    names = ("hidden", "logits")
    pairs = zip(names, ours, other, strict=False)
    return {prefix + name: float(np.abs(a[inside] - b[inside]).max()) for name, a, b in pairs}


# --- transformers --------------------------------------------------------------------------------


def their_outputs(folder: Path, inputs: Arrays, with_head: bool, precision: str) -> list[Any]:
    """Hidden states (batch, length, hidden) and, with a head, logits (batch, length, rows)."""
    auto = transformers.AutoModelForMaskedLM if with_head else transformers.AutoModel
    model = auto.from_pretrained(folder, dtype=torch.float32).to(DEVICE).eval()
    tensors = {name: torch.tensor(array, device=DEVICE) for name, array in inputs.items()}
    with torch.inference_mode(), _autocast(precision):
        outputs = model(**tensors, output_hidden_states=True)
    last = outputs.hidden_states[-1] if with_head else outputs.last_hidden_state
    if with_head:  # some architectures norm the last states outside of hidden_states
        with torch.inference_mode(), _autocast(precision):
            last = model.base_model(**tensors).last_hidden_state
    found = [last, outputs.logits] if with_head else [last]
    return [array.float().cpu().numpy() for array in found]


@contextlib.contextmanager
def _autocast(precision: str) -> Iterator[None]:
    with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def losses(
    folder: Path, inputs: Arrays, precision: str, policy: str, backend: str
) -> tuple[list[float], list[float]]:
    """The losses of five steps of fine-tuning from the same weights: relx's, and transformers'."""
    from relx.models.classifier import head_weights

    rng = np.random.default_rng(1)
    targets = rng.integers(0, CLASSES, len(inputs["input_ids"])).astype(np.int32)
    starts = np.stack([np.arange(1, 5), np.arange(4, 8)], axis=1)  # (batch, 2)
    model = _relation_model(folder, policy, backend)
    head = {name: np.array(weights) for name, weights in head_weights(model).items()}
    ours = _our_steps(model, inputs, starts, targets)
    theirs = _their_steps(folder, inputs, starts, targets, head, precision)
    return ours, theirs


def _their_steps(
    folder: Path, inputs: Arrays, starts: Any, targets: Any, head: Arrays, precision: str
) -> list[float]:
    from peer_torch import POOLERS, RelationModel

    config = transformers.AutoConfig.from_pretrained(folder)
    options = {"add_pooling_layer": False} if config.model_type in POOLERS else {}
    encoder = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, **options)
    model = RelationModel(encoder, CLASSES, 0.0, SMOOTHING)
    for layer, name in ((model.dense, "relation_dense"), (model.logits, "relation_logits")):
        layer.weight.data = torch.tensor(head[f"{name}/kernel"].T.copy())
        layer.bias.data = torch.tensor(head[f"{name}/bias"])
    model = model.to(DEVICE).train()
    named = list(model.named_parameters())
    plain = [p for name, p in named if p.ndim < 2]  # biases and norms have no decay
    decayed = [p for name, p in named if p.ndim >= 2]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=RATE, eps=1e-8)
    tensors = {name: torch.tensor(array, device=DEVICE) for name, array in inputs.items()}
    tensors |= {"starts": torch.tensor(starts, device=DEVICE)}
    tensors |= {"labels": torch.tensor(targets, device=DEVICE).long()}
    found = []
    for step in range(STEPS):
        for group in adamw.param_groups:
            group["lr"] = RATE * (STEPS - step) / STEPS
        adamw.zero_grad()
        with _autocast(precision):
            loss = model(**tensors)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        found.append(float(loss.detach()))
    return found


# --- relx ----------------------------------------------------------------------------------------


def _load(folder: Path, policy: str, backend: str, with_head: bool) -> Any:
    open_device(DeviceSection(backend=backend, precision=policy), seed=0)
    from relx.models.encoder.load import load_encoder

    return load_encoder(str(folder), with_head=with_head, seed=0)


def our_outputs(
    folder: Path, inputs: Arrays, with_head: bool, policy: str, backend: str
) -> list[Any]:
    """What `their_outputs` returns, of relx."""
    loaded = _load(folder, policy, backend, with_head)
    import keras

    hidden = loaded.encoder.output
    outputs = [hidden, loaded.head(hidden)] if loaded.head else [hidden]
    model = keras.Model(loaded.encoder.input, outputs)
    found = model.predict_on_batch(_our_inputs(loaded.encoder, inputs))
    return [np.asarray(array, np.float32) for array in (found if loaded.head else [found])]


def _our_inputs(encoder: Any, inputs: Arrays) -> Arrays:
    ids, mask = (inputs[name].astype(np.int32) for name in ("input_ids", "attention_mask"))
    found = {"token_ids": ids, "padding_mask": mask}
    return found | ({"segment_ids": np.zeros_like(ids)} if "segment_ids" in encoder.input else {})


def _relation_model(folder: Path, policy: str, backend: str) -> Any:
    from relx.models.classifier import span_classifier
    from relx.tasks.relation.task import POOLINGS

    encoder = _load(folder, policy, backend, with_head=False).encoder
    pooling = POOLINGS["entity_starts"]
    return span_classifier(encoder, classes=CLASSES, pooling=pooling, dropout=0.0, seed=1)


def _our_steps(model: Any, inputs: Arrays, starts: Any, targets: Any) -> list[float]:
    from relx.training.losses import CrossEntropy
    from relx.training.optimizer import make_optimizer

    section = TrainSection(learning_rate=RATE, warmup=0.0, epochs=1)
    optimizer = make_optimizer(
        model,
        learning_rate=section.learning_rate,
        weight_decay=section.weight_decay,
        warmup=section.warmup,
        clip_norm=section.clip_norm,
        steps=STEPS,
        accumulate=1,
    )
    import keras

    compiled = keras.config.backend() == "jax"
    model.compile(optimizer, CrossEntropy(SMOOTHING), jit_compile=compiled, auto_scale_loss=False)
    spans = np.stack([starts, starts + 1], axis=2).astype(np.int32)
    ids, mask = (inputs[name].astype(np.int32) for name in ("input_ids", "attention_mask"))
    batch = {"token_ids": ids, "padding_mask": mask, "spans": spans}
    if "segment_ids" in model.input:
        batch["segment_ids"] = np.zeros_like(ids)
    weights = np.full(len(targets), 1 / len(targets), np.float32)
    return [float(model.train_on_batch(batch, targets, weights)) for _ in range(STEPS)]


if __name__ == "__main__":
    main()
