"""Measures what storing a decoder's kernels in fewer bits costs, beside Keras's own four bits.

    python bench/decoder_formats.py --decoder FOLDER

FOLDER is a Hugging Face folder with real weights; the documents' figures are of
SmolLM2-135M-Instruct. Perplexity is of the English prose in docs/, 512 tokens at a time; labels are
those of the emotion sample, asked with bench/decoder_peers.py's prompt. Everything computes in
float32. The result is bench/results/decoder_formats.json, and a table on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
from decoder_peers import LABELS, PROMPT, labelled_rows
from thresholds import cpu_model

from relx.files import write_json
from relx.models.decoder.files.load import LoadedDecoder, load_decoder
from relx.models.decoder.layers.formats import stored_bytes
from relx.runs.manifest import git_state, versions
from relx.scoring.decisions.softmax import softmax

RESULT = Path("bench/results/decoder_formats.json")
FORMATS = ("float32", "bfloat16", "int8", "nf4", "Keras int4")
WINDOW = 512  # tokens
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--decoder", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=8, help=f"pieces of {WINDOW} tokens")
    parser.add_argument("--rows", type=int, default=64, help="rows with a label to ask about")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    texts, prompts, words = tokens_of(options.decoder, options.windows, options.rows)
    found: dict[str, Figures] = {}
    plain: Any = None
    for name in FORMATS:
        loaded = loaded_as(options.decoder, name)
        labels = np.stack([log_shares(loaded, prompt, words) for prompt in prompts])
        plain = labels if plain is None else plain
        found[name] = {
            "kernels_mib": kernel_mib(loaded, name),
            "perplexity": perplexity(loaded, texts),
            "label_distance": float(np.abs(labels - plain).mean()),
            "other_labels_percent": 100 * float((labels.argmax(1) != plain.argmax(1)).mean()),
        }
        print(json.dumps({name: found[name]}), flush=True)
    commit = git_state()
    result = {
        "decoder": options.decoder.name,
        "tokens": WINDOW * len(texts),
        "rows": len(prompts),
        "formats": found,
        "cpu": cpu_model(),
        "versions": versions(),
        "commit": commit.model_dump() if commit else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(options.out, result)
    print(table(found))


def tokens_of(
    folder: Path, windows: int, rows: int
) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Tokenises the prose, the prompts and the labels' words."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    prose = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(Path("docs").glob("*.md"))
    )
    ids = tokenizer(prose)["input_ids"]
    texts = [ids[start : start + WINDOW] for start in range(0, windows * WINDOW, WINDOW)]
    prompts = [tokenizer(prompt)["input_ids"] for prompt in prompts_of(rows)]
    return texts, prompts, [tokenizer(f" {word}")["input_ids"][0] for word in LABELS]


def prompts_of(count: int) -> Iterator[str]:
    """Writes the prompts of rows that have one label."""
    for _, row in zip(range(count), labelled_rows(), strict=False):
        target = row["input"]["target"]["form"] or "the text"
        words = {"labels": ", ".join(LABELS), "sentence": row["input"]["form"], "target": target}
        yield PROMPT.format(**words)


def loaded_as(folder: Path, name: str) -> LoadedDecoder:
    """Loads the decoder in a format; Keras's is what its own quantizer makes of float32 kernels."""
    if name != "Keras int4":
        return load_decoder(folder, name)  # type: ignore[arg-type]
    import keras
    from keras import ops

    loaded = load_decoder(folder, "float32")
    for layer in loaded.decoder.stack:
        for part in layer.parts.values():
            codes, scale = keras.quantizers.abs_max_quantize(
                ops.convert_to_tensor(part.kernel), axis=0, value_range=(-8, 7), dtype="int8"
            )
            part.kernel.assign(ops.cast(codes, "float32") / scale)
    return loaded


def kernel_mib(loaded: LoadedDecoder, name: str) -> float:
    """Returns the size of all kernels; of Keras's half a byte a weight."""
    c = loaded.decoder.configuration
    shapes = list(c.linear_shapes().values())
    if name == "Keras int4":
        return (
            c.num_layers
            * sum(inputs * outputs / 2 + 4 * outputs for inputs, outputs in shapes)
            / 2**20
        )
    return c.num_layers * sum(stored_bytes(name, *shape) for shape in shapes) / 2**20  # type: ignore[arg-type]


def states_of(loaded: LoadedDecoder, tokens: list[int]) -> np.ndarray:
    """Computes (tokens, hidden)."""
    from keras import ops

    states = loaded.decoder(np.array([tokens], np.int32))
    return np.asarray(ops.convert_to_numpy(states))[0]


def log_shares(loaded: LoadedDecoder, prompt: list[int], words: list[int]) -> np.ndarray:
    """Computes the labels' log-probabilities, (labels,)."""
    logits = loaded.output_rows(words) @ states_of(loaded, prompt)[-1]
    return np.asarray(np.log(softmax(logits[None])[0]))


def perplexity(loaded: LoadedDecoder, texts: list[list[int]]) -> float:
    """Computes the perplexity of texts, each on its own."""
    table = loaded.output_rows(list(range(loaded.decoder.configuration.vocab_size)))
    surprise = []
    for tokens in texts:
        logits = states_of(loaded, tokens)[:-1] @ table.T
        logits -= logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(logits).sum(axis=1))
        surprise.append(total - logits[np.arange(len(tokens) - 1), tokens[1:]])
    return float(np.exp(np.mean(surprise)))


def table(found: dict[str, Figures]) -> str:
    """Writes the figures as a table of Markdown."""
    lines = ["| format | kernels, MiB | perplexity | more, % | label distance | other labels, % |"]
    lines.append("| --- |" + " ---: |" * 5)
    plain = found["float32"]["perplexity"]
    for name, row in found.items():
        more = 100 * (row["perplexity"] / plain - 1)
        cells = (f"{row['kernels_mib']:.0f}", f"{row['perplexity']:.2f}", f"{more:.1f}")
        rest = (f"{row['label_distance']:.3f}", f"{row['other_labels_percent']:.0f}")
        lines.append("| " + " | ".join((name, *cells, *rest)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
