"""How near the encoders are to transformers on PyTorch: two tables, as Markdown and as JSON.

    python bench/encoder_parity.py [--shared FOLDER]

The numbers are the largest absolute differences of the last hidden states and of the masked-LM
logits, in float32: of a folder as both read it, and of the folder that we write from it, read by
transformers.

Each family is a random model of odd sizes, as in tests/test_encoder_parity.py. FOLDER adds true
shapes, on Korean sentences: FOLDER/shapes has configurations with their vocabularies, which get
random weights and a masked-LM head, and FOLDER/models has encoders with weights. The result is
bench/results/encoder_parity.json; without FOLDER the shapes that stand there are kept.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.metadata
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from relx.files import read_json, write_json  # noqa: E402
from relx.models.encoder.convert import load_as_it_is  # noqa: E402
from relx.models.encoder.load import LoadedEncoder, save_encoder  # noqa: E402
from relx.models.encoder.sentences import SENTENCES  # noqa: E402
from relx.runs.manifest import git_state, versions  # noqa: E402

models: Any = importlib.import_module("encoder_models")
RESULTS = ROOT / "bench" / "results" / "encoder_parity.json"
SHAPES = (
    "klue-roberta-small",
    "klue-roberta-base",
    "klue-roberta-large",
    "klue-bert-base",
    "koelectra-base-v3",
)
MODELS = ("e5-small-ko24k",)
COLUMNS = ("hidden", "logits", "round_trip_hidden", "round_trip_logits")
NOISE = 0.02

Arrays = list[NDArray[Any]]
Inputs = dict[str, NDArray[Any]]
Numbers = dict[str, dict[str, float]]


def measure_families() -> Numbers:
    numbers = {}
    for family in models.FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            numbers[family] = models.parity(family, Path(folder))
    return numbers


def measure_shapes(shared: Path) -> Numbers:
    numbers = {}
    for name in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            theirs = Path(folder) / "theirs"
            write_random(shared / "shapes" / name, theirs)
            numbers[name] = parity(theirs, Path(folder) / "ours")
        gc.collect()
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            numbers[name] = parity(shared / "models" / name, Path(folder) / "ours")
    return numbers


def write_random(shape: Path, folder: Path) -> None:
    """Writes a random masked LM of a shape's sizes, none of whose biases and norms is at its start.

    The noise is small, as weights of this width are.
    """
    torch.manual_seed(0)
    configuration = transformers.AutoConfig.from_pretrained(shape)
    model = transformers.AutoModelForMaskedLM.from_config(configuration)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(NOISE * torch.randn_like(parameter))
    model.save_pretrained(folder)
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.copyfile(shape / name, folder / name)


def parity(source: Path, folder: Path) -> dict[str, float]:
    """Compares both readings of a folder, and ours with theirs of what we write."""
    loaded = load_as_it_is(str(source))
    head, inputs = loaded.head is not None, korean(loaded)
    mine = our_outputs(loaded, inputs)
    save_encoder(loaded, folder, "")
    del loaded
    gc.collect()
    numbers = {}
    for way, place in (("", source), ("round_trip_", folder)):
        others = their_outputs(place, head, inputs)
        for name, ours, other in zip(("hidden", "logits"), mine, others, strict=False):
            numbers[way + name] = models.difference(ours, other, inputs)
    return numbers


def korean(loaded: LoadedEncoder) -> Inputs:
    """The sentences as the folder's own tokenizer has them, padded to the longest."""
    encoded = loaded.tokenizer(list(SENTENCES), padding=True)
    inputs = {name: np.array(encoded[name]) for name in ("input_ids", "attention_mask")}
    if loaded.encoder.num_segments > 1:
        inputs["token_type_ids"] = np.zeros_like(inputs["input_ids"])
    return inputs


def our_outputs(loaded: LoadedEncoder, inputs: Inputs) -> Arrays:
    """Hidden states, and logits where there is a head: `(batch, length, …)`."""
    if loaded.head is None:
        return [models.our_hidden(loaded.encoder, inputs)]
    return list(models.our_outputs(loaded, inputs))


def their_outputs(folder: Path, head: bool, inputs: Inputs) -> Arrays:
    if head:
        model = models.reloaded(transformers.AutoModelForMaskedLM, folder)
        return list(models.their_outputs(model, inputs))
    options = {"add_pooling_layer": False, "dtype": torch.float32}
    model = models.reloaded(transformers.AutoModel, folder, **options)
    return [models.their_hidden(model, inputs)]


def made() -> dict[str, Any]:
    """What a part of the result was made with."""
    return {
        "versions": versions() | {"torch": importlib.metadata.version("torch")},
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(numbers: Numbers, what: str) -> str:
    header = [what, "hidden", "logits", "hidden, round trip", "logits, round trip"]
    rows = [
        [name, *(f"{row[column]:.1e}" if column in row else "–" for column in COLUMNS)]
        for name, row in numbers.items()
    ]
    lines = [header, ["---", *["---:"] * len(COLUMNS)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, help="The folder of shapes and models.")
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    earlier = read_json(RESULTS) if RESULTS.is_file() else {}
    result = {part: earlier[part] for part in ("shapes", "made") if part in earlier}
    result["families"] = measure_families()
    result["made"] = result.get("made", {}) | {"families": made()}
    if options.shared:
        result["shapes"] = measure_shapes(options.shared)
        result["made"] |= {"shapes": made()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS, {part: result[part] for part in sorted(result)})
    print(table(result["families"], "architecture"))
    if "shapes" in result:
        print(f"\n{table(result['shapes'], 'shape')}")


if __name__ == "__main__":
    main()
