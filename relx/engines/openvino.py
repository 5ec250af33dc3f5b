"""A classifier as an OpenVINO graph: converted once, and kept beside the weights it was made from.

A kept graph is named after what it was made from, so that it is never stale: other weights, labels
or versions give another name. The digests of its own files lie beside it, and one that is damaged
or another's is made again. Deleting it is harmless.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relx import progress
from relx.data.batches import Batch, ReadingRows
from relx.faults import InputError
from relx.files import digest, file_digest, read_json, whole_folder, write_json

if TYPE_CHECKING:  # importing these takes seconds, and only their names are needed
    import keras
    from openvino import Model

PACKAGE = "openvino"
GRAPH = "classifier.xml"
_KEPT = ".openvino-"
_DIGESTS = "digests.json"  # of the graph's files, beside them
# Counted up whenever the same weights would give another graph.
_VERSION = 1
# Graph and model sum up in different orders; a larger difference is a different function.
_CLOSE = 1e-4
_SHAPES = ((3, 9), (2, 14), (1, 5))
# The tokens of a request stay in a core's cache; four times as many would take half as long again.
TOKENS_AT_ONCE = 1024
_WORDS = {"f32": "float32", "bf16": "bfloat16"}


class ConversionError(Exception):
    """No graph computes what a model computes; the message says why."""


def is_installed() -> bool:
    """Says whether OpenVINO can be imported."""
    return importlib.util.find_spec(PACKAGE) is not None


def version() -> str:
    """Returns OpenVINO's version, for example 2026.4.1."""
    return importlib.metadata.version(PACKAGE)


def import_openvino() -> ModuleType:
    """Imports OpenVINO without the package that reports each use to its maker.

    Returns:
        The module.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module(PACKAGE)


def graph_name(files: Iterable[Path], settings: Iterable[str]) -> str:
    """Names a graph after what it is made from.

    Args:
        files: The files that decide what the model computes, by their content.
        settings: Whatever else decides it.

    Returns:
        20 hexadecimal characters.
    """
    contents = [file_digest(path) for path in files]
    return digest([str(_VERSION), version(), *settings, *contents])[:20]


def kept_graph(stage_folder: Path, name: str) -> Path | None:
    """Finds a graph that was kept before.

    Args:
        stage_folder: The run's `train/fold-K` folder.
        name: What `graph_name` returned.

    Returns:
        The graph's file, or None.
    """
    path = stage_folder / f"{_KEPT}{name}" / GRAPH
    if not path.is_file():
        return None
    try:
        whole = read_json(path.parent / _DIGESTS) == _digests(path.parent, name)
    except (InputError, OSError):
        whole = False
    if not whole:
        progress.say(f"note: {path} is not the graph that was kept there; it is made again")
        return None
    return path


def _digests(folder: Path, name: str) -> dict[str, str]:
    """Hashes a graph's files, and says whose they are."""
    files = sorted(path for path in folder.iterdir() if path.name != _DIGESTS)
    return {"graph": name} | {path.name: file_digest(path) for path in files}


def keep_graph(stage_folder: Path, name: str, model: keras.Model) -> Path:
    """Converts a model and keeps its graph, whole or not at all; earlier graphs are removed.

    Args:
        stage_folder: The run's `train/fold-K` folder.
        name: What `graph_name` returned.
        model: The classifier, in float32.

    Returns:
        The graph's file.

    Raises:
        ConversionError: There is no graph that computes what the model computes.
        InputError: The disk is full, or the place cannot be written.
    """
    kept = stage_folder / f"{_KEPT}{name}"
    with whole_folder(kept) as beside:
        convert(model, beside)
        write_json(beside / _DIGESTS, _digests(beside, name))
    for other in set(stage_folder.glob(f"{_KEPT}*")) - {kept}:
        shutil.rmtree(other, ignore_errors=True)
    return kept / GRAPH


def convert(model: keras.Model, folder: Path) -> None:
    """Writes a model's graph, in float32, and makes sure that it computes the same.

    Args:
        model: The classifier, in float32.
        folder: A folder that exists.

    Raises:
        ConversionError: The model cannot be traced or converted, or the graph computes another
            function.
    """
    openvino = import_openvino()
    traced = folder / "traced.xml"
    try:
        model.export(str(traced), format="openvino", verbose=False)
        graph = _logits_alone(openvino.Core().read_model(traced), model.output.shape[-1])
        _fuse_gelu(graph)
        _require_equal(graph, model)
        openvino.save_model(graph, folder / GRAPH, compress_to_fp16=False)
    except ConversionError:
        raise
    except Exception as error:  # tracers and converters raise whatever they meet
        raise ConversionError(str(error).partition("\n")[0]) from error
    for path in folder.glob("traced.*"):
        path.unlink()


def _logits_alone(graph: Model, classes: int) -> Model:
    """Returns the graph without the outputs that the tracer left beside the logits."""
    wanted = [None, classes]
    shapes = [
        [None if d.is_dynamic else d.get_length() for d in o.partial_shape] for o in graph.outputs
    ]
    logits = graph.outputs[shapes.index(wanted)]
    return import_openvino().Model([logits.get_node()], graph.get_parameters(), "classifier")


def _fuse_gelu(graph: Model) -> None:
    """Fuses the exact gelu, to TensorFlow x/2 · (1 - erf(-x/√2)), for which there is a kernel."""
    openvino = import_openvino()
    from openvino import opset13, passes

    x, half, one, root = passes.AnyInput(), *(passes.WrapType("opset13.Constant") for _ in range(3))

    def of(kind: str, *inputs: Any) -> Any:
        return passes.WrapType(f"opset13.{kind}", list(inputs))

    beyond = of("Subtract", one, of("Erf", of("Multiply", x, root)))
    gelu = of("Multiply", of("Multiply", x, half), beyond)

    def fuse(matcher: Any) -> bool:
        found = matcher.get_pattern_value_map()
        constants = [found[part].get_node().get_data().item() for part in (half, one, root)]
        if not np.allclose(constants, (0.5, 1.0, -(0.5**0.5))):
            return False
        openvino.utils.replace_node(matcher.get_match_root(), opset13.gelu(found[x], "erf"))
        return True

    class Fusion(passes.MatcherPass):
        def __init__(self) -> None:
            super().__init__()
            self.register_matcher(passes.Matcher(gelu, "gelu"), fuse)

    manager = passes.Manager()
    manager.register_pass(Fusion())
    manager.run_passes(graph)


def _require_equal(graph: Model, model: keras.Model) -> None:
    """Compares graph and model at a few shapes: a tracer may mistake a length for a constant."""
    from keras import ops

    request = import_openvino().compile_model(graph, "CPU", settings("f32")).create_infer_request()
    for rows, length in _SHAPES:
        inputs = _some_inputs(model, rows, length)
        (computed,) = request.infer(inputs).values()
        expected = ops.convert_to_numpy(model(inputs, training=False))
        if not np.allclose(computed, expected, rtol=_CLOSE, atol=_CLOSE):
            difference = float(np.abs(computed - expected).max())
            raise ConversionError(f"its logits would be {difference:.1g} off")


def _some_inputs(model: keras.Model, rows: int, length: int) -> dict[str, NDArray[np.int32]]:
    """Makes rows of several lengths, with spans inside them or a last token, int32."""
    rng = np.random.default_rng(rows)
    lengths = length - np.arange(rows)
    places = model.input["spans"].shape[1] if "spans" in model.input else 0
    spans = rng.integers(0, length - rows - 1, (rows, places, 1))
    shape = (rows, length)
    inputs = {
        "token_ids": rng.integers(0, 50, shape),
        "padding_mask": np.arange(length) < lengths[:, None],
        "segment_ids": np.arange(length) >= lengths[:, None] // 2,
        "spans": np.concatenate([spans, spans + 2], axis=2),
        "last": lengths - 1,
    }
    return {name: inputs[name].astype(np.int32) for name in model.input}


def settings(precision: str) -> dict[str, Any]:
    """Returns how a graph is compiled: many requests at once, a core or a few for each.

    Args:
        precision: f32 or bf16; by default OpenVINO would take bfloat16 where the CPU has it.

    Returns:
        What `compile_model` takes.
    """
    return {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}


class OpenVinoEngine:
    """A classifier's graph, on all cores of the CPU.

    Args:
        path: The graph's file.
        precision: f32 or bf16; a CPU without bfloat16 computes float32.
    """

    def __init__(self, path: Path, precision: str) -> None:
        openvino = import_openvino()
        self._compiled = openvino.Core().compile_model(path, "CPU", settings(precision))
        self._queue = openvino.AsyncInferQueue(self._compiled)
        self.segments = any("segment_ids" in taken.names for taken in self._compiled.inputs)
        computed = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = _WORDS[computed]

    def logits(self, arrays: ReadingRows, batch_size: int) -> np.ndarray:
        """Computes logits, a few batches side by side; see `relx.engines.engine.Engine`."""
        classes = self._compiled.outputs[0].get_partial_shape()[1].get_length()
        logits = np.empty((len(arrays.lengths), classes), np.float32)

        def place(request: Any, rows: np.ndarray) -> None:
            logits[rows] = request.get_output_tensor(0).data

        self._queue.set_callback(place)
        with progress.bar("predict", len(logits), "sentences") as bar:
            for batch in token_plan(arrays.lengths, batch_size):
                self._queue.start_async(arrays.inputs(batch), batch.rows)
                bar.advance(len(batch.rows))
            self._queue.wait_all()
        return logits

    def __str__(self) -> str:
        return f"OpenVINO {version()} on CPU, {os.cpu_count()} cores, {self.precision}"


def token_plan(lengths: np.ndarray, batch_size: int, tokens: int = TOKENS_AT_ONCE) -> list[Batch]:
    """Plans a prediction in batches of about as many tokens each, the longest rows first.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: The most rows per batch.
        tokens: The most tokens per batch, padding included; a longer row is a batch of its own.

    Returns:
        The batches; every row is in one of them.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    batches, start = [], 0
    while start < len(order):
        length = int(lengths[order[start]])
        rows = order[start : start + min(batch_size, max(1, tokens // length))]
        batches.append(Batch(rows, len(rows), length))
        start += len(rows)
    return batches
