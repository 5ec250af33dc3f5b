"""The parts of the GPU bench, each a few processes with a JSON of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import write_whole

GRACE = 30.0  # seconds that a part gets beyond its deadline, to end by itself
TINY = ("bert", "roberta", "electra", "distilbert", "albert", "deberta-v3", "modernbert")
SHAPES = ("klue-roberta-base", "klue-roberta-large")
REAL = "e5-small-ko24k"
Work = dict[str, Any]


@dataclass(frozen=True)
class Session:
    """What the parts of one run share.

    Args:
        root: The checkout, or the code of a pack.
        out: Where the JSON goes.
        work: Scratch: what is installed, laid out, compiled, and the runs of klue.
        data: The folder with train.csv, test_data.csv, and the models by name.
        environment: Variables of the parts' environment.
        cpu: Whether to compute on the CPU though there may be a GPU.
        tiny: Whether models are tiny and the data are the sample.
        bare: Whether TensorFlow cannot be imported.
    """

    root: Path
    out: Path
    work: Path
    data: Path
    environment: dict[str, str]
    cpu: bool
    tiny: bool
    bare: bool

    @classmethod
    def open(
        cls, root: Path, out: Path, work: Path, shared: Path, cpu: bool, tiny: bool
    ) -> Session:
        """Installs the pack's wheels and unpacks its data, or uses the checkout's as they are."""
        out, work = out.resolve(), work.resolve()
        out.mkdir(parents=True, exist_ok=True)
        paths = [str(root)]
        packed = root.parent if (root / "COMMIT").exists() else None
        if packed and list(packed.glob("wheels/*.whl")):
            paths.append(str(_installed(packed, work / "site")))
        data = work / "data"
        _lay_out_data(data, root, packed, shared, tiny)
        hidden = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"} if cpu else {}
        inherited = [path for path in [os.environ.get("PYTHONPATH")] if path]
        environment = {
            "PYTHONPATH": os.pathsep.join([*inherited, *paths]),
            "HF_HUB_OFFLINE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "XDG_CACHE_HOME": str(work / "cache"),
            **hidden,
        }
        return cls(root, out, work, data, environment, cpu, tiny, not _imports("tensorflow"))


def _imports(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _installed(packed: Path, site: Path) -> Path:
    """Installs the wheels into a folder, from nothing but the pack."""
    if not site.exists():
        wheels = [str(path) for path in sorted(packed.glob("wheels/*.whl"))]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        pip += ["--no-compile", "--no-cache-dir", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", str(site), *wheels], check=True)
    return site


def _lay_out_data(data: Path, root: Path, packed: Path | None, shared: Path, tiny: bool) -> None:
    """Puts train.csv, test_data.csv and the models into one folder."""
    models = data / "models"
    models.mkdir(parents=True, exist_ok=True)
    if tiny:
        shutil.copyfile(root / "sample/train.csv", data / "train.csv")
        shutil.copyfile(root / "sample/test.csv", data / "test_data.csv")
        return
    if packed is None:
        for name in ("train.csv", "test_data.csv"):
            _link(shared / "data/klue_re" / name, data / name)
        _link(shared / "models" / REAL, models / REAL)
        for shape in SHAPES:
            _link(shared / "shapes" / shape, models / shape)
        return
    for path in (packed / "data").glob("*.csv.xz"):
        with lzma.open(path) as source, (data / path.stem).open("wb") as target:
            shutil.copyfileobj(source, target)
    for path in (packed / "data").glob("*.tar.xz"):
        with tarfile.open(path) as archive:
            archive.extractall(models, filter="data")


def _link(source: Path, place: Path) -> None:
    if not source.exists():
        raise SystemExit(f"there is no {source}; name the folder with --shared, or try --tiny")
    if not place.exists():
        place.symlink_to(source.resolve())


# --- the parts -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One part.

    Args:
        share: Its share of the minutes, beside the others'.
        processes: Lists its programs, each with its JSON's name and what it is asked to do.
    """

    share: float
    processes: Callable[[Session, int], Iterator[tuple[str, str, Work]]]


def run_part(session: Session, part: str, deadline: float, seeds: int) -> bool:
    """Runs a part's processes one after the other, each until its share of the time is over.

    Args:
        session: What the parts share.
        part: The part's name.
        deadline: When its time is over, in seconds of `time.time`.
        seeds: Paired seeds of klue, at most.

    Returns:
        Whether every process was complete.
    """
    processes = list(PARTS[part].processes(session, seeds))
    states = []
    for i, (program, result, asked) in enumerate(processes):
        own = time.time() + (deadline - time.time()) / (len(processes) - i)
        path = session.out / result
        states.append(_run(session, program, path, asked | {"deadline": own}))
        print(f"{part}: {path.name}: {states[-1]}", flush=True)
    return all(state == "complete" for state in states)


def _run(session: Session, program: str, path: Path, asked: Work) -> str:
    """Runs one process to its end or past its deadline, and returns the state in its JSON."""
    path.unlink(missing_ok=True)
    work = session.work / f"{path.stem}.work.json"
    work.write_text(json.dumps(asked), encoding="utf-8")
    words = [sys.executable, str(session.root / "bench" / "gpu" / program), str(work)]
    log = session.out / f"{path.stem}.log"
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            words,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env={**os.environ, **session.environment},
        )
        try:
            status = process.wait(max(1.0, asked["deadline"] + GRACE - time.time()))
        except subprocess.TimeoutExpired:
            _kill(process)
            return _note_end(path, log, "killed: out of time")
        except BaseException:  # Ctrl-C: what goes on in the background would be measured later
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            _kill(process)
            _note_end(path, log, "stopped")
            raise
    return _note_end(path, log, f"failed with exit status {status}" if status else "")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _note_end(path: Path, log: Path, failure: str) -> str:
    """Notes in the JSON why a process did not end by itself, with the last of what it said."""
    figures: Work = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if failure:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        figures |= {"state": failure, "last_lines": said}
        write_whole(path, json.dumps(figures, ensure_ascii=False, indent=1) + "\n")
    return str(figures["state"])


def _backends(session: Session) -> list[str]:
    return [name for name in ("jax", "torch") if _imports(name)]


def _parity(session: Session, seeds: int) -> Iterator[tuple[str, str, Work]]:
    real = [] if session.tiny else [REAL, *SHAPES]
    for backend in _backends(session):
        cases = TINY[:1] if session.tiny else [*real, *TINY]
        asked = {"backend": backend, "cases": cases, "models": str(session.data / "models")}
        name = f"parity_{backend}.json"
        path = str(session.out / name)
        yield "parity.py", name, asked | {"trained": [*real, "bert"], "out": path}


def _speed(session: Session, seeds: int) -> Iterator[tuple[str, str, Work]]:
    models = session.data / "models"
    asked = {
        "out": str(session.out / "speed.json"),
        "tiny": str(models / "tiny") if session.tiny else None,
        "folder": str(session.work / "speed"),
        "models": str(models),
        "train": str(session.data / "train.csv"),
        "test": str(session.data / "test_data.csv"),
        "rows": 96 if session.tiny else 1920,
        "least_seconds": 1.0 if session.tiny else 20.0,
        "turns": _turns(session),
    }
    yield "speed.py", "speed.json", asked


def _turns(session: Session) -> list[Work]:
    """Lists whose turn it is at which shape; what matters most comes first, short of time."""
    precision = "float32" if session.cpu else "bfloat16"
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    everything = ["predict", "train", "tapt"]
    peer = {"side": "transformers", "precision": precision, "compile": False}
    compiled = peer | {"side": "transformers compiled", "compile": True}
    own = {b: {"side": f"relx {b}", "backend": b, "precision": policy} for b in _backends(session)}

    def turn(side: Work, shape: str, tasks: list[str], batch: int = 32, rungs: int = 4) -> Work:
        return side | {"shape": shape, "tasks": tasks, "batches": [batch], "rungs": rungs}

    if session.tiny:
        sides = [peer | {"product": True}, *own.values()]
        return [turn(side, "tiny", everything, 16, 2) for side in sides]
    base, large = SHAPES
    jax, torch = own.get("jax", own["torch"]), own["torch"]
    # A shape that XLA compiles took 15 to 25 s on an H200: few lengths, while minutes are few.
    return [
        turn(peer | {"product": True}, large, ["train", "tapt"]),
        turn(jax, large, ["train", "tapt"], rungs=1),
        turn(peer, base, everything),
        turn(jax, base, everything, rungs=2),
        turn(torch, base, everything),
        turn(peer, large, ["train"], 256),
        turn(jax, large, ["train"], 256, 1),
        turn(compiled, base, ["train"]),
        turn(peer, REAL, everything),
        turn(jax, REAL, everything),
        turn(torch, large, ["train"]),
        turn(torch, REAL, everything),
        turn(compiled, large, ["train"]),
        turn(peer, large, ["predict"]),
        turn(jax, large, ["predict"]),
    ]


def _decoder(session: Session, seeds: int) -> Iterator[tuple[str, str, Work]]:
    """Lists the sides that train a decoder's adapters; what matters most comes first."""
    tiny = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    tiny |= {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 500}
    # Llama 3.2 3B's sizes.
    large = {"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28}
    large |= {"num_attention_heads": 24, "num_key_value_heads": 8, "vocab_size": 128256}
    policy = "float32" if session.cpu else "mixed_bfloat16"
    common = {
        "shape": tiny if session.tiny else large,
        "folder": str(session.work / "decoder"),
        "rows": 4 if session.tiny else 16,
        "length": 32 if session.tiny else 256,
        "shared": 8 if session.tiny else 64,
        "least_seconds": 0.0 if session.tiny else 10.0,
        "policy": policy,
    }
    own: list[Work] = [
        {"side": f"relx {backend}", "backend": backend, "format": format_, "remat": remat}
        for backend in sorted(_backends(session), reverse=True)
        for format_, remat in (("nf4", True), ("bfloat16", False), ("nf4", False))
    ]
    peers: list[Work] = [{"side": "peft", "remat": remat} for remat in (False, True)]
    for asked in (peers[0], *own[:2], peers[1], *own[2:]):
        words = [asked["side"], asked.get("format", ""), "remat" if asked["remat"] else ""]
        name = "decoder_" + "_".join(word.replace(" ", "_") for word in words if word) + ".json"
        yield "decoder.py", name, common | asked | {"out": str(session.out / name)}


def _klue(session: Session, seeds: int) -> Iterator[tuple[str, str, Work]]:
    accelerated = not session.cpu
    backend = "jax" if accelerated or session.bare else "tensorflow"
    encoder: Any = str(session.data / "models" / REAL)
    if session.tiny:
        encoder = {"fresh": {"layers": 1, "hidden": 32, "heads": 2, "intermediate": 64}}
        encoder["fresh"]["vocabulary"] = 1000
    asked = {
        "out": str(session.out),
        "folder": str(session.work / "klue"),
        "train": str(session.data / "train.csv"),
        "test": str(session.data / "test_data.csv"),
        "encoder": encoder,
        "backend": backend,
        "precision": _precision(session),
        "seeds": list(range(1, 1 + (1 if session.tiny else seeds))),
        "jobs": 2 if accelerated else 1,
        "epochs": 1 if session.tiny else 3,
        "tapt_epochs": 1 if session.tiny else 3,
        "rate": 1.5e-4,
    }
    yield "klue.py", "klue.json", asked


def _precision(session: Session) -> str:
    """bfloat16 on a GPU, and on a CPU that multiplies in it."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    able = not session.cpu or {"amx_bf16", "avx512_bf16"} & set(flags)
    return "mixed_bfloat16" if able and not session.tiny else "float32"


PARTS = {
    "parity": Part(2.0, _parity),
    "speed": Part(4.0, _speed),
    "decoder": Part(3.0, _decoder),
    "klue": Part(4.0, _klue),
}
