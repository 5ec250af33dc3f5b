"""Measures the memory of training, and sets beside it what `relx fit` says beforehand.

The figures go to bench/results/fit.json.

    python bench/fit.py                        all cases on TensorFlow and PyTorch
    python bench/fit.py --only decoder-nf4     those whose name holds the text

Each case trains a random model for a few steps, in a process of its own, on the CPU. Its memory is
the kernel's RssAnon, read every few milliseconds, less what a narrow twin of as many layers takes:
so the framework, its kernels and its graphs are no part of the figure.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relx.runs.manifest import git_state, versions

RESULT = Path("bench/results/fit.json")
MIB = 1 << 20
STEPS = 3
LABELS = 30


@dataclass(frozen=True)
class Case:
    """A model and how it is trained.

    Args:
        kind: encoder or decoder.
        backend: Keras's backend.
        batch_size: Rows of a batch.
        accumulate: In how many parts it is computed.
        length: Tokens of a row.
        precision: The dtype policy.
        format_: How a decoder's kernels are stored.
        remat: Whether a decoder's layers are computed again.
        dropout: Of an encoder's states and scores, or of a decoder's adapters.
        hidden: Width of the states; the middle is four times as wide in encoders, else three times.
        layers: Layers.
        vocabulary: Rows of the token table.
    """

    kind: str
    backend: str
    batch_size: int = 8
    accumulate: int = 1
    length: int = 128
    precision: str = "float32"
    format_: str = "int8"
    remat: bool = False
    dropout: float = 0.1
    hidden: int = 512
    layers: int = 4
    vocabulary: int = 8000
    middle: int = 0

    @property
    def name(self) -> str:
        """What tells it from the others."""
        words = [self.kind, self.format_ if self.kind == "decoder" else "", self.backend]
        words += [f"{self.batch_size}x{self.length}", self.precision]
        words += ["remat"] * self.remat + ["plain"] * (not self.dropout)
        words += [f"parts{self.accumulate}"] * (self.accumulate > 1)
        sizes = (self.hidden, self.layers, self.vocabulary)
        words += [f"{self.hidden}w{self.layers}l{self.vocabulary}v"] * (sizes != (512, 4, 8000))
        return "-".join(word for word in words if word)


def cases() -> list[Case]:
    """Lists what is measured."""
    found = []
    for backend in ("tensorflow", "torch"):
        encoder, decoder = Case("encoder", backend), Case("decoder", backend)
        found += [replace(encoder, batch_size=n) for n in (4, 16)]
        found += [replace(decoder, batch_size=n) for n in (4, 16)]
        found += [replace(case, layers=8) for case in (encoder, decoder)]
        found += [
            replace(encoder, dropout=0.0),
            replace(encoder, batch_size=16, accumulate=4),
            replace(encoder, batch_size=16, precision="mixed_bfloat16"),
            replace(encoder, batch_size=4, length=512),
            replace(encoder, batch_size=4, vocabulary=60000),
            replace(decoder, batch_size=16, remat=True),
            replace(decoder, format_="nf4", remat=True, hidden=1024, vocabulary=32000),
            replace(decoder, format_="float32"),
            replace(decoder, format_="nf4"),
            replace(decoder, dropout=0.0),
            replace(decoder, batch_size=16, precision="mixed_bfloat16"),
            replace(decoder, batch_size=16, accumulate=4),
            replace(decoder, batch_size=4, length=512),
        ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="Measure the cases whose name holds this.")
    parser.add_argument("--retell", action="store_true", help="Measure nothing, compare anew.")
    parser.add_argument("--missing", action="store_true", help="Measure those without figures.")
    parser.add_argument("--heap", action="store_true", help="Measure glibc's usual heap as well.")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measured(Case(**json.loads(options.case)))))
        return
    found: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    rows: dict[str, Any] = found.get("cases", {})
    chosen = [case for case in cases() if options.only in case.name]
    if options.missing:
        chosen = [case for case in chosen if case.name not in rows]
    for case in [] if options.retell else chosen:
        rows[case.name] = measurement(case, exact=True)
        if options.heap:
            rows[case.name]["usual_heap_mib"] = measurement(case, exact=False)["peak_mib"]
        RESULT.write_text(json.dumps({"cases": rows}, indent=2) + "\n", encoding="utf-8")
    known = [case for case in cases() if case.name in rows]
    rows = {case.name: rows[case.name] | told(case, rows[case.name]) for case in known}
    commit = git_state()
    found |= {"commit": commit.model_dump() if commit else None}
    found |= {"versions": versions(), "cores": os.cpu_count()}
    found["when"] = datetime.now(UTC).isoformat(timespec="seconds")
    off = [abs(row["off_percent"]) for row in rows.values()]
    found |= {"within_15_percent": sum(value <= 15 for value in off), "of": len(off)}
    found["cases"] = rows
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name, row in rows.items():
        print(
            f"{name:<60} {row['peak_mib']:8.0f} {row['told_mib']:8.0f} {row['off_percent']:7.1f} %"
        )


def told(case: Case, row: dict[str, float]) -> dict[str, Any]:
    """Says what relx fit says of a case, and how far it is off."""
    said = footprint(case)
    total = said.total / MIB
    parts = {part: size / MIB for part, size in said.parts.items()}
    off = 100 * (total / row["peak_mib"] - 1)
    return {"told_mib": total, "parts": parts, "when": said.when, "off_percent": off}


def footprint(case: Case) -> Any:
    from relx.footprint.decoder import decoder_footprint
    from relx.footprint.encoder import encoder_footprint

    how: dict[str, Any] = {
        "batch_size": case.batch_size,
        "length": case.length,
        "precision": case.precision,
        "accumulate": case.accumulate,
        "backend": case.backend,
    }
    if case.kind == "encoder":
        return encoder_footprint(encoder_configuration(case), places=2, **how)
    configuration = decoder_configuration(case)
    return decoder_footprint(
        configuration, case.format_, adapters(configuration, case), remat=case.remat, **how
    )


def adapters(configuration: Any, case: Case) -> Any:
    from relx.models.decoder.layers.linear import Lora

    return {name: Lora(16, 32, case.dropout) for name in configuration.linear_shapes()}


def measurement(case: Case, exact: bool) -> dict[str, Any]:
    """Measures a case in a process of its own.

    glibc's heap keeps what is freed in pieces between other pieces: up to twice the memory of all
    tensors. With `exact`, all blocks above 64 KiB are mapped one by one, and given back.
    """
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case))]
    heap = {"MALLOC_MMAP_THRESHOLD_": str(64 << 10)} if exact else {}
    environment = {**os.environ, **heap, "PYTHONPATH": ".", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{case.name:<60}", row, flush=True)
    return row


def resident() -> float:
    """The memory of this process that no file stands behind, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this kernel does not tell RssAnon")


class Peak(threading.Thread):
    """Notes the most memory that the process holds, until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self._end = 0.0, threading.Event()

    def run(self) -> None:
        """Reads on."""
        while not self._end.wait(0.003):
            self.most = max(self.most, resident())

    def stop(self) -> float:
        """Returns the most."""
        self._end.set()
        self.join()
        return self.most


def measured(case: Case) -> dict[str, float]:
    """Trains in this process, and returns MiB above what a narrow twin needs, graph and all."""
    from relx.devices.device import open_device
    from relx.recipe import DeviceSection

    section = DeviceSection(backend=case.backend, precision=case.precision)  # type: ignore[arg-type]
    device = open_device(section, seed=0)
    few = {"batch_size": case.accumulate, "length": 16, "vocabulary": 100}
    narrow = replace(case, hidden=64, middle=64, **few)
    peak_of(replace(narrow, layers=1), device)  # loads what the framework loads when it computes
    graph = peak_of(narrow, device)
    return {"graph_mib": graph, "peak_mib": peak_of(case, device) - graph}


def peak_of(case: Case, device: Any) -> float:
    """Builds and trains a model, and returns the most that the process held above before."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before, peak = resident(), Peak()
    peak.start()
    train(case, built(case, device))
    return peak.stop() - before


def train(case: Case, model: Any) -> None:
    """Runs a few steps."""
    import numpy as np

    rng = np.random.default_rng(0)
    rows = STEPS * case.batch_size
    ids = rng.integers(3, case.vocabulary, (rows, case.length)).astype("int32")
    inputs = {"token_ids": ids}
    if case.kind == "encoder":
        inputs |= {"padding_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}
        inputs["spans"] = np.tile(np.asarray([[1, 2], [3, 4]], "int32"), (rows, 1, 1))
    else:
        inputs["last"] = np.full(rows, case.length - 1, "int32")
    targets = rng.integers(0, LABELS, rows).astype("int32")
    model.fit(
        inputs, targets, batch_size=case.batch_size // case.accumulate, verbose=0, shuffle=False
    )


def built(case: Case, device: Any) -> Any:
    """Builds and compiles a random model, as a stage would."""
    from relx.recipe import TrainSection
    from relx.training.fit import compile_for

    with device.scope():
        model = encoder_model(case) if case.kind == "encoder" else decoder_model(case)
    section = TrainSection(accumulate=case.accumulate, batch_size=case.batch_size)
    compile_for(device, model, section, STEPS)
    return model


def encoder_model(case: Case) -> Any:
    from relx.data.tokenizing.pooling import Pooling
    from relx.models.classifier import span_classifier
    from relx.models.encoder.build import build_encoder

    encoder = build_encoder(encoder_configuration(case))
    pooling = Pooling(2, "start")
    return span_classifier(encoder, classes=LABELS, pooling=pooling, dropout=0.1, seed=0)


def encoder_configuration(case: Case) -> Any:
    from relx.models.encoder.configuration import configuration_from_dict

    return configuration_from_dict(
        {
            "model_type": "bert",
            "vocab_size": case.vocabulary,
            "hidden_size": case.hidden,
            "num_hidden_layers": case.layers,
            "num_attention_heads": 8,
            "intermediate_size": case.middle or 4 * case.hidden,
            "max_position_embeddings": 512,
            "type_vocab_size": 2,
            "hidden_dropout_prob": case.dropout,
            "attention_probs_dropout_prob": case.dropout,
        },
        "config.json",
    )


def decoder_configuration(case: Case) -> Any:
    from relx.models.decoder.configurations.families import configuration_from_dict

    return configuration_from_dict(
        {
            "model_type": "llama",
            "vocab_size": case.vocabulary,
            "hidden_size": case.hidden,
            "num_hidden_layers": case.layers,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "intermediate_size": case.middle or 3 * case.hidden,
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
        },
        "config.json",
    )


def decoder_model(case: Case) -> Any:
    import numpy as np

    from relx.models.decoder.classifier import prompt_classifier
    from relx.models.decoder.decoder import Decoder
    from relx.models.decoder.heads import ClassHead

    configuration = decoder_configuration(case)
    with_adapters = adapters(configuration, case)
    decoder = Decoder(configuration, case.format_, with_adapters, case.remat)  # type: ignore[arg-type]
    for part in decoder.adapted_parts().values():
        part.start_adapter(np.random.default_rng(0))
    return prompt_classifier(decoder, ClassHead(LABELS, case.hidden))


if __name__ == "__main__":
    main()
