"""Everything for an hour, or ten minutes, with a GPU: packed here, run there, JSON brought back.

python bench/gpu.py pack [--shared ../shared] [--folder build/gpu]
    gathers what a bare machine lacks (wheels for CPython 3.12 on x86-64, glibc 2.28 or newer; relx;
    the sample, KLUE-RE and a real encoder, compressed) in one folder, and prints sizes; it refuses
    what one transfer cannot hold.

python FOLDER/code/bench/gpu.py run --minutes 10 --parts parity,speed,klue --out RESULTS
    on the machine with the GPU, with no network and nothing but that folder: installs the wheels
    beside it, shows the device, and goes through the parts. Each has its share of the minutes and a
    JSON of its own, written anew after each figure; a part that fails or runs out leaves its reason
    there, and the next one begins.

python bench/gpu.py run --parts klue --cpu
    here, with this environment, all of KLUE-RE on the CPU; what was stopped goes on where it was.

`run --cpu --tiny` goes the same way with tiny models and the sample, in minutes. To try it as on
the bare machine:

    python3.12 -m venv build/bare
    build/bare/bin/python -m pip install --requirement bench/gpu/requirements-bare.txt
    build/bare/bin/python build/gpu/code/bench/gpu.py run --cpu --tiny
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "bench" / "gpu")]

from pack import LIMIT_MIB, PackError, pack  # noqa: E402
from parts import PARTS, Session, run_part  # noqa: E402


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options.function(options)
    except KeyboardInterrupt:
        print("stopped; the same command begins the parts anew, and klue goes on", file=sys.stderr)
        raise SystemExit(130) from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="pack | run")
    packing = commands.add_parser("pack", help="gather what a bare machine lacks")
    packing.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    packing.add_argument("--folder", type=Path, default=ROOT / "build" / "gpu")
    packing.add_argument("--limit", type=float, default=LIMIT_MIB, help="MiB a transfer holds")
    packing.add_argument("--no-wheels", action="store_true", help="where they are installed")
    packing.set_defaults(function=_pack)
    running = commands.add_parser("run", help="measure, on the machine with the GPU")
    running.add_argument("--minutes", type=float, default=10.0, help="for all parts together")
    running.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    running.add_argument("--out", type=Path, default=Path("runs/gpu"), help="where JSON goes")
    running.add_argument("--work", type=Path, help="scratch that later runs use again [OUT/work]")
    running.add_argument("--cpu", action="store_true", help="compute on the CPU")
    running.add_argument("--tiny", action="store_true", help="tiny models and the sample")
    running.add_argument("--seeds", type=int, default=3, help="paired seeds of klue, at most")
    running.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    running.set_defaults(function=_run)
    options = parser.parse_args()
    unknown = set(getattr(options, "parts", "").split(",")) - {"", *PARTS}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


def _pack(options: argparse.Namespace) -> None:
    try:
        pack(options.folder, options.shared, options.limit, wheels=not options.no_wheels)
    except PackError as error:
        raise SystemExit(f"pack: {error}") from None


def _run(options: argparse.Namespace) -> None:
    work = options.work or options.out / "work"
    session = Session.open(ROOT, options.out, work, options.shared, options.cpu, options.tiny)
    _show_devices(session)
    parts = options.parts.split(",")
    ends = time.time() + 60 * options.minutes
    weights = {part: PARTS[part].share for part in parts}
    failed = []
    for i, part in enumerate(parts):
        left = ends - time.time()  # what a part does not use is the later ones'
        share = left * weights[part] / sum(weights[later] for later in parts[i:])
        endless = options.cpu and not options.tiny
        deadline = time.time() + (share if not endless else 10**7)
        if not run_part(session, part, deadline, options.seeds):
            failed.append(part)
    print(f"written to {session.out}" + (f"; not complete: {', '.join(failed)}" if failed else ""))


def _show_devices(session: Session) -> None:
    backends = "jax" if session.bare else "tensorflow"
    words = [sys.executable, "-m", "relx_cli", "devices", "--backend", backends]
    subprocess.run(words, env={**os.environ, **session.environment}, check=False)


if __name__ == "__main__":
    main()
