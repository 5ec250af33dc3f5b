"""A training step of a decoder's adapters: relx beside transformers and PEFT.

python bench/gpu/decoder.py WORK.json, which bench/gpu.py writes; one side a process.

The decoder is a llama of random weights, written once. All sides train LoRA of rank 16 on all its
linear parts with AdamW, on the same random tokens: rows of one length, of which a share is their
common beginning, and the loss is of the token after the last. PEFT computes in bfloat16, with and
without gradient checkpointing; relx in mixed_bfloat16 over bfloat16 and NF4 kernels.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(BENCH)]
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from record import Record  # noqa: E402

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
RANK, ALPHA, RATE, LABELS = 16, 32, 1e-4, 8
Work = dict[str, Any]
Step = Callable[[], Any]


def main() -> None:
    work: Work = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    record = Record(Path(work["out"]), f"decoder, {work['side']}", work["deadline"])
    folder = written(Path(work["folder"]), work["shape"])
    began = time.monotonic()
    step, wait = peer_step(folder, work) if work["side"] == "peft" else relx_step(folder, work)
    wait()
    loaded = time.monotonic()
    step()
    wait()
    first = time.monotonic()
    seconds = []
    while len(seconds) < 3 or time.monotonic() - first < min(work["least_seconds"], 20):
        at = time.monotonic()
        step()
        wait()
        seconds.append(time.monotonic() - at)
        if record.seconds_left < 0:
            break
    rows, length = work["rows"], work["length"]
    record.add(
        "figures",
        {
            "side": work["side"],
            "settings": {key: work[key] for key in ("backend", "format", "remat") if key in work},
            "loading_seconds": loaded - began,
            "first_step_seconds": first - loaded,
            "step_seconds": statistics.median(seconds),
            "steps": len(seconds),
            "tokens_per_second": rows * length / statistics.median(seconds),
            "peak_mib": peak(work),
        },
    )
    record.end("complete")


def written(folder: Path, shape: Work) -> Path:
    """Writes the decoder, unless it is there."""
    from transformers import LlamaConfig, LlamaForCausalLM

    if not (folder / "config.json").exists():
        torch.manual_seed(0)
        with torch.device(DEVICE):
            model = LlamaForCausalLM(LlamaConfig(**shape)).to(torch.bfloat16)
        model.save_pretrained(folder)
    return folder


def tokens(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """Draws (rows, length) tokens with a common beginning, and the labels (rows,)."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, work["shape"]["vocab_size"], (work["rows"], work["length"]))
    ids[:, : work["shared"]] = ids[0, : work["shared"]]
    return ids.astype(np.int32), rng.integers(0, LABELS, work["rows"]).astype(np.int32)


# --- the sides -----------------------------------------------------------------------------------


def relx_step(folder: Path, work: Work) -> tuple[Step, Step]:
    """Builds relx's classifier: (a step, what waits for it)."""
    from relx.devices.device import open_device
    from relx.recipe import DeviceSection

    section = DeviceSection(backend=work["backend"], precision=work["policy"], strategy="one")
    device = open_device(section, seed=0)
    import keras

    from relx.models.decoder.classifier import prompt_classifier
    from relx.models.decoder.configurations.families import read_configuration
    from relx.models.decoder.files.adapter_config import adapters_for
    from relx.models.decoder.files.load import load_decoder
    from relx.models.decoder.heads import WordHead
    from relx.models.decoder.layers.linear import Lora
    from relx.training.losses import LOSSES

    configuration = read_configuration(folder)
    adapters = adapters_for(configuration, "all-linear", Lora(RANK, ALPHA))
    ids, labels = tokens(work)
    with device.scope():
        loaded = load_decoder(folder, work["format"], adapters, remat=work["remat"])
        head = WordHead(LABELS, configuration.hidden_size)
        head.rows.assign(loaded.output_rows(list(range(LABELS))))
        beginning = ids[0, : work["shared"]].tolist()
        model = prompt_classifier(loaded.decoder, head, beginning)
        loss = LOSSES["cross_entropy"]()
        model.compile(keras.optimizers.AdamW(RATE), loss, jit_compile=device.compiles)
    last = np.full(len(ids), work["length"] - work["shared"] - 1, np.int32)
    inputs = {"token_ids": ids[:, work["shared"] :], "last": last}
    weights = np.full(len(ids), 1 / len(ids), np.float32)
    # A loss that is fetched waits for the device.
    return lambda: float(model.train_on_batch(inputs, labels, weights)), lambda: None


def peer_step(folder: Path, work: Work) -> tuple[Step, Step]:
    """Builds PEFT's model: (a step, what waits for it)."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    kind = torch.bfloat16 if work["policy"] != "float32" else torch.float32
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, attn_implementation="sdpa")
    if work["remat"]:
        base.gradient_checkpointing_enable({"use_reentrant": False})
        base.enable_input_require_grads()
    lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, lora).to(DEVICE).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, RATE, fused=True)
    ids, labels = (torch.tensor(a.astype(np.int64), device=DEVICE) for a in tokens(work))
    answered = torch.cat([ids, labels[:, None]], dim=1)
    targets = torch.full_like(answered, -100)
    targets[:, -1] = labels

    def step() -> float:
        loss = model(input_ids=answered, labels=targets).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss)

    return step, torch.cuda.synchronize if CUDA else lambda: None


def peak(work: Work) -> float:
    """Returns the most memory that was held, in MiB: the GPU's, or the process's on a CPU."""
    if not CUDA:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if work.get("backend") == "jax":
        import jax

        return float(jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]) / 2**20
    return torch.cuda.max_memory_allocated() / 2**20


if __name__ == "__main__":
    main()
