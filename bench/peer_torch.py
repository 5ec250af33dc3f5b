"""The peers of bench/peers.py, as users of transformers write them; runs in the peers' environment.

    build/peers/bin/python bench/peer_torch.py TASK WORK

TASK is tapt, train, predict, steady or product; WORK is a JSON file that bench/peers.py wrote, and
names the encoder, the rows, the settings and where the figures go. After each step a line such as
`train: 3/28 steps` goes to standard error, as relx prints one.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "numpy")
# Tensor cores want lengths that are a multiple of 8; a CPU does not care.
MULTIPLE = 8 if CUDA else 1
POOLERS = ("bert", "roberta", "xlm-roberta")
Work = dict[str, Any]
Figures = dict[str, Any]


def main() -> None:
    task, path = sys.argv[1], Path(sys.argv[2])
    tasks: dict[str, Callable[[Work], Figures]] = {
        "tapt": tapt,
        "train": train,
        "predict": predict,
        "steady": steady,
        "product": product,
    }
    work: Work = json.loads(path.read_text(encoding="utf-8"))
    figures = tasks[task](work)
    Path(work["out"]).write_text(json.dumps(figures), encoding="utf-8")


# --- masked LM, as examples/pytorch/language-modeling/run_mlm.py does it with --line_by_line ------


def tapt(work: Work) -> Figures:
    """Tokenises the lines and trains with the collator's dynamic padding and masks."""
    tokenizer = AutoTokenizer.from_pretrained(work["encoder"])
    model = _loaded(AutoModelForMaskedLM, work["encoder"])
    collator = DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=work["mask_rate"], pad_to_multiple_of=MULTIPLE
    )
    lines, held_out = (_lines(tokenizer, work[part], work) for part in ("texts", "held_out"))
    return _fitted(model, work, lines, held_out, collator, "tapt")


def _lines(tokenizer: Any, texts: Sequence[str], work: Work) -> list[dict[str, Any]]:
    encoded = tokenizer(
        texts, truncation=True, max_length=work["max_length"], return_special_tokens_mask=True
    )
    return [{name: encoded[name][i] for name in encoded} for i in range(len(texts))]


# --- the relation model --------------------------------------------------------------------------


class RelationModel(nn.Module):
    """An encoder, and on its states at the two entity starts the head that relx has too."""

    def __init__(self, encoder: Any, classes: int, dropout: float, smoothing: float) -> None:
        super().__init__()
        hidden = encoder.config.hidden_size
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(2 * hidden, hidden)
        self.logits = nn.Linear(hidden, classes)
        self.loss = nn.CrossEntropyLoss(label_smoothing=smoothing)
        for layer in (self.dense, self.logits):
            nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.04, b=0.04)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        starts: torch.Tensor,
        labels: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Takes (batch, length) tokens and mask and (batch, 2) starts; gives (batch, classes)."""
        states = self.encoder(input_ids, attention_mask=attention_mask).last_hidden_state
        rows = torch.arange(len(starts), device=starts.device)[:, None]
        pooled = states[rows, starts].flatten(1)  # (batch, 2 × hidden)
        logits = self.logits(self.dropout(torch.tanh(self.dense(self.dropout(pooled))))).float()
        if labels is None:
            return {"logits": logits}
        return {"loss": self.loss(logits, labels), "logits": logits}


def _relation_model(folder: str, work: Work) -> RelationModel:
    config = AutoConfig.from_pretrained(folder)
    options = {"add_pooling_layer": False} if config.model_type in POOLERS else {}
    encoder = _loaded(AutoModel, folder, **options)
    return RelationModel(encoder, work["classes"], work["dropout"], work["label_smoothing"])


def _loaded(auto: Any, folder: str, **options: Any) -> Any:
    """Loads a model in float32; where the folder has no weights, random ones are drawn."""
    options |= {"attn_implementation": "sdpa"}
    if list(Path(folder).glob("*.safetensors")):
        return auto.from_pretrained(folder, dtype=torch.float32, **options)
    config = AutoConfig.from_pretrained(folder)
    with torch.device(DEVICE):
        return auto.from_config(config, **options)


def collate(rows: Sequence[dict[str, Any]], pad: int) -> dict[str, torch.Tensor]:
    """Pads rows to the longest of them."""
    longest = max(len(row["input_ids"]) for row in rows)
    shape = (len(rows), -(-longest // MULTIPLE) * MULTIPLE)
    ids, mask = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row["input_ids"])] = row["input_ids"]
        mask[i, : len(row["input_ids"])] = 1
    batch = {"input_ids": ids, "attention_mask": mask}
    batch["starts"] = np.array([row["starts"] for row in rows], np.int64)
    if rows[0]["labels"] is not None:
        batch["labels"] = np.array([row["labels"] for row in rows], np.int64)
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def train(work: Work) -> Figures:
    """Fine-tunes with dynamic padding, in random order or grouped by length."""
    model = _relation_model(work["encoder"], work)
    rows = json.loads(Path(work["rows"]).read_text(encoding="utf-8"))
    pad = rows["pad"]
    return _fitted(
        model, work, rows["train"], rows["dev"], lambda batch: collate(batch, pad), "train"
    )


# --- the Trainer ---------------------------------------------------------------------------------


class CountingTrainer(Trainer):
    """A Trainer that notes the shapes of its batches."""

    slots = 0

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        """Counts a batch's tokens, padding included."""
        self.slots += inputs["input_ids"].numel()
        return super().training_step(model, inputs, *rest, **named)


class Clock(TrainerCallback):
    """Times the epochs' training steps, without what is evaluated after them."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.seconds: list[float] = []
        self.began = 0.0
        self.first_step = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Starts the clock."""
        self.began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Says that a step is done."""
        if state.global_step == 1:
            if CUDA:
                torch.cuda.synchronize()
            self.first_step = time.monotonic()
        _tell(f"{self.title}: {state.global_step}/{state.max_steps} steps")

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Stops the clock when the device has done what it was given."""
        if CUDA:
            torch.cuda.synchronize()
        self.seconds.append(time.monotonic() - self.began)


def _fitted(
    model: nn.Module,
    work: Work,
    rows: Sequence[dict[str, Any]],
    held_out: Sequence[dict[str, Any]],
    collator: Callable[..., Any],
    title: str,
) -> Figures:
    """Trains, evaluates after each epoch, and saves the model at the end."""
    clock = Clock(title)
    trainer = CountingTrainer(
        model,
        _arguments(work),
        train_dataset=list(rows),
        eval_dataset=list(held_out),
        data_collator=collator,
        callbacks=[clock],
    )
    trainer.train()
    trainer.save_model()
    epochs, tokens = work["epochs"], sum(len(row["input_ids"]) for row in rows)
    losses = [record["loss"] for record in trainer.state.log_history if "loss" in record]
    return {
        "steps": trainer.state.global_step,
        "epochs": epochs,
        "sentences": len(rows),
        "tokens": tokens,
        "lengths": [len(row["input_ids"]) for row in rows],
        "padding_percent": 100 * (1 - epochs * tokens / trainer.slots),
        "epoch_seconds": clock.seconds,
        "first_step_at": clock.first_step,
        "loss": losses[-1],
    }


def _arguments(work: Work) -> TrainingArguments:
    return TrainingArguments(
        output_dir=work["folder"],
        num_train_epochs=work["epochs"],
        per_device_train_batch_size=work["batch"],
        per_device_eval_batch_size=work["predict_batch"],
        learning_rate=work["learning_rate"],
        weight_decay=work["weight_decay"],
        warmup_steps=work["warmup_steps"],
        max_grad_norm=work["clip_norm"],
        optim="adamw_torch_fused",
        train_sampling_strategy=work["order"],
        bf16=work["precision"] == "bfloat16",
        tf32=True if CUDA else None,
        use_cpu=not CUDA,
        torch_compile=work["compile"],
        dataloader_num_workers=4 if CUDA else 0,
        dataloader_pin_memory=CUDA,
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="epoch",
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        seed=work["seed"],
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# --- prediction ----------------------------------------------------------------------------------


def predict(work: Work) -> Figures:
    """Loads the model that relx trained, predicts once, and writes a row of probabilities a row."""
    model, rows, pad = _trained(work)
    probabilities, slots = _probabilities(model, rows, pad, work)
    with Path(work["folder"], "predictions.jsonl").open("w", encoding="utf-8") as stream:
        for row in probabilities.tolist():
            stream.write(json.dumps(row) + "\n")
    return _prediction_figures(rows, slots)


def steady(work: Work) -> Figures:
    """Predicts twice in one process, and measures the second time."""
    model, rows, pad = _trained(work)
    _probabilities(model, rows, pad, work)
    began = time.monotonic()
    _, slots = _probabilities(model, rows, pad, work)
    seconds = time.monotonic() - began
    return _prediction_figures(rows, slots) | {"epoch_seconds": [seconds]}


def _prediction_figures(rows: Sequence[dict[str, Any]], slots: int) -> Figures:
    lengths = [len(row["input_ids"]) for row in rows]
    return {
        "sentences": len(rows),
        "tokens": sum(lengths),
        "lengths": lengths,
        "padding_percent": 100 * (1 - sum(lengths) / slots),
    }


def _trained(work: Work) -> tuple[Any, list[dict[str, Any]], int]:
    """Loads the relation model that relx trained: (model, rows, padding id)."""
    model = _relation_model(work["model"], work)
    weights = load_file(Path(work["model"], "relation_head.safetensors"))
    for layer, name in ((model.dense, "relation_dense"), (model.logits, "relation_logits")):
        layer.weight.data = torch.from_numpy(np.ascontiguousarray(weights[f"{name}/kernel"].T))
        layer.bias.data = torch.from_numpy(weights[f"{name}/bias"])
    model = model.to(DEVICE).eval()
    if CUDA:
        torch.backends.cuda.matmul.allow_tf32 = True
    rows = json.loads(Path(work["rows"]).read_text(encoding="utf-8"))
    return (torch.compile(model) if work["compile"] else model), rows["test"], rows["pad"]


def _probabilities(
    model: Any, rows: list[dict[str, Any]], pad: int, work: Work
) -> tuple[np.ndarray, int]:
    """Computes (rows, classes) in the rows' order, and counts the tokens with padding."""
    order = np.arange(len(rows))
    if work["order"] == "sorted":
        order = np.argsort([-len(row["input_ids"]) for row in rows], kind="stable")
    size, slots, parts = work["predict_batch"], 0, []
    starts = range(0, len(rows), size)
    for step, start in enumerate(starts, 1):
        batch = collate([rows[i] for i in order[start : start + size]], pad)
        slots += batch["input_ids"].numel()
        with torch.inference_mode(), _autocast(work["precision"]):
            logits = model(**{name: array.to(DEVICE) for name, array in batch.items()})["logits"]
        parts.append(torch.softmax(logits, dim=-1))
        if step == 1 and CUDA:
            torch.cuda.synchronize()
        _tell(f"predict: {step}/{len(starts)} batches")
    found = torch.cat(parts).cpu().numpy()
    probabilities = np.empty_like(found)
    probabilities[order] = found
    return probabilities, slots


@contextlib.contextmanager
def _autocast(precision: str) -> Iterator[None]:
    with torch.autocast(DEVICE, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


# --- what the machine can do ---------------------------------------------------------------------


def product(work: Work) -> Figures:
    """Measures a square matrix product in each precision, the best of several."""
    size = work["gpu_size"] if CUDA else work["size"]
    found = {}
    for precision in work["precisions"]:
        dtype = getattr(torch, precision)
        left, right = (torch.randn(size, size, device=DEVICE, dtype=dtype) for _ in range(2))
        seconds = []
        for _ in range(work["times"]):
            began = time.monotonic()
            with torch.inference_mode():
                torch.matmul(left, right)
            if CUDA:
                torch.cuda.synchronize()
            seconds.append(time.monotonic() - began)
        found[precision] = 2 * size**3 / min(seconds)
    return {
        "operations_per_second": found,
        "size": size,
        "device": torch.cuda.get_device_name() if CUDA else "CPU",
        "gpus": torch.cuda.device_count() if CUDA else 0,
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    main()
