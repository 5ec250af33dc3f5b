"""The peers of bench/decoder_peers.py, as users of transformers and PEFT write them.

    python bench/decoder_torch.py TASK WORK

TASK is train or predict; WORK is a JSON file that bench/decoder_peers.py wrote. After each step a
line such as `train: 3/28 steps` goes to standard error, as relx prints one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
IGNORED = -100  # what has no loss
Work = dict[str, Any]
Figures = dict[str, Any]
Row = dict[str, Any]


def main() -> None:
    task, path = sys.argv[1], Path(sys.argv[2])
    tasks: dict[str, Callable[[Work], Figures]] = {"train": train, "predict": predict}
    work: Work = json.loads(path.read_text(encoding="utf-8"))
    work["rows_file"] = json.loads(Path(work["folder"], "rows.json").read_text(encoding="utf-8"))
    Path(work["out"]).write_text(json.dumps(tasks[task](work)), encoding="utf-8")


def adapted(work: Work) -> Any:
    """Loads the decoder, and puts LoRA on all its linear layers."""
    model = AutoModelForCausalLM.from_pretrained(
        work["decoder"], dtype=torch.float32, attn_implementation="sdpa"
    )
    config = LoraConfig(
        r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model, config)


# --- training ------------------------------------------------------------------------------------


class Clock(TrainerCallback):
    """Times the steps of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.began = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Starts the clock."""
        self.began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Says that a step is done."""
        _tell(f"train: {state.global_step}/{state.max_steps} steps")

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Stops the clock when the device has done what it was given."""
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        self.seconds.append(time.monotonic() - self.began)


def train(work: Work) -> Figures:
    """Trains with transformers' Trainer: a row is its prompt and the label's word."""
    rows, words, pad = (work["rows_file"][name] for name in ("train", "words", "pad"))
    examples = [_answered(row, words) for row in rows]
    clock = Clock()
    trainer = Trainer(
        adapted(work),
        _arguments(work),
        train_dataset=examples,
        data_collator=lambda batch: answered_batch(batch, pad),
        callbacks=[clock],
    )
    trainer.train()
    losses = [record["loss"] for record in trainer.state.log_history if "loss" in record]
    return {"rows": len(rows), "steady_seconds": clock.seconds[-1], "loss": losses[-1]}


def _answered(row: Row, words: Sequence[int]) -> Row:
    tokens = [*row["input_ids"], words[row["label"]]]
    return {"input_ids": tokens, "labels": [IGNORED] * len(row["input_ids"]) + tokens[-1:]}


def answered_batch(batch: Sequence[Row], pad: int) -> dict[str, torch.Tensor]:
    """Pads rows on the right to the longest of them, (batch, length) each."""
    longest = max(len(row["input_ids"]) for row in batch)
    lists: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "attention_mask": []}
    for row in batch:
        gap = longest - len(row["input_ids"])
        lists["input_ids"].append(row["input_ids"] + [pad] * gap)
        lists["labels"].append(row["labels"] + [IGNORED] * gap)
        lists["attention_mask"].append([1] * len(row["input_ids"]) + [0] * gap)
    return {name: torch.tensor(values) for name, values in lists.items()}


def _arguments(work: Work) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(Path(work["folder"], "trainer")),
        num_train_epochs=work["epochs"],
        per_device_train_batch_size=work["batch"],
        learning_rate=2e-4,
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length" if work["by_length"] else "random",
        bf16=work["precision"] == "bfloat16",
        use_cpu=DEVICE == "cpu",
        dataloader_pin_memory=DEVICE == "cuda",
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
    """Predicts twice, and measures the second time."""
    model = adapted(work).to(DEVICE).eval()
    rows = work["rows_file"]["test"][: work["rows"]]
    passed = _loop if work["loop"] else _batches
    passed(model, rows[: work["batch"]] if work["loop"] else rows, work)
    began = time.monotonic()
    passed(model, rows, work)
    return {"rows": len(rows), "steady_seconds": time.monotonic() - began}


def _loop(model: Any, rows: Sequence[Row], work: Work) -> list[list[float]]:
    """Generates one token a row, and reads the words' probabilities off its scores."""
    found = []
    for place, row in enumerate(rows, 1):
        tokens = torch.tensor([row["input_ids"]], device=DEVICE)
        with torch.no_grad(), _autocast(work):
            made = model.generate(
                input_ids=tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=1,
                do_sample=False,
                output_scores=True,
                return_dict_in_generate=True,
                pad_token_id=work["rows_file"]["pad"],
            )
        scores = made.scores[0][0, work["rows_file"]["words"]].float()
        found.append(torch.softmax(scores, -1).tolist())
        _tell(f"predict: {place}/{len(rows)} sentences")
    return found


def _batches(model: Any, rows: Sequence[Row], work: Work) -> list[list[float]]:
    """Reads the logits of the last token, of rows padded on the left and sorted by length."""
    words, pad, size = work["rows_file"]["words"], work["rows_file"]["pad"], work["batch"]
    order = sorted(range(len(rows)), key=lambda row: -len(rows[row]["input_ids"]))
    found: dict[int, list[float]] = {}
    for start in range(0, len(order), size):
        places = order[start : start + size]
        longest = len(rows[places[0]]["input_ids"])
        gaps = [longest - len(rows[row]["input_ids"]) for row in places]
        tokens = [
            [pad] * gap + rows[row]["input_ids"] for row, gap in zip(places, gaps, strict=True)
        ]
        mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
        ids, seen = (torch.tensor(values, device=DEVICE) for values in (tokens, mask))
        with torch.inference_mode(), _autocast(work):
            logits = model(input_ids=ids, attention_mask=seen, logits_to_keep=1).logits
        probabilities = torch.softmax(logits[:, -1, words].float(), -1).tolist()
        found.update(zip(places, probabilities, strict=True))
        _tell(f"predict: {len(found)}/{len(rows)} sentences")
    return [found[row] for row in range(len(rows))]


def _autocast(work: Work) -> Any:
    return torch.autocast(DEVICE, torch.bfloat16, enabled=work["precision"] == "bfloat16")


if __name__ == "__main__":
    main()
