"""How near the encoders are to transformers on PyTorch: the README's table, as Markdown and JSON.

    python bench/encoder_parity.py

Each family is a random model of odd sizes in float32, as in tests/test_encoder_parity.py. The
numbers are the largest absolute differences of the last hidden states and of the masked-LM logits:
loaded from a folder that transformers wrote, and against transformers' reading of what is written.
"""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
from pathlib import Path
from typing import Any

import transformers

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import encoder_models as models  # noqa: E402

from relx.files import write_json  # noqa: E402

RESULTS = ROOT / "bench" / "results" / "encoder_parity.json"
COLUMNS = ("hidden", "logits", "round_trip_hidden", "round_trip_logits")
PACKAGES = ("keras", "keras-hub", "tensorflow", "torch", "transformers")


def measure() -> dict[str, dict[str, float]]:
    numbers = {}
    for family in models.FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            numbers[family] = models.parity(family, Path(folder))
    return numbers


def table(numbers: dict[str, dict[str, float]]) -> str:
    header = ["architecture", "hidden", "logits", "hidden, round trip", "logits, round trip"]
    rows = [[family, *(f"{row[name]:.1e}" for name in COLUMNS)] for family, row in numbers.items()]
    lines = [header, ["---", *["---:"] * len(COLUMNS)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    transformers.utils.logging.disable_progress_bar()
    numbers = measure()
    result: dict[str, Any] = {
        "families": numbers,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS, result)
    print(table(numbers))


if __name__ == "__main__":
    main()
