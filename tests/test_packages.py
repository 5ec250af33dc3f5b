"""The archives that are built hold every package and every file that relx reads at run time."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import SLOW

ROOT = Path(__file__).parents[1]
ROOMS = ("relx", "relx_cli", "tapt", "recipes", "sample")
# Files that are read, beside the modules: all of them in these folders, wherever they are.
DATA = ("recipes", "sample", "static", "templates")
BUILD = "from setuptools import build_meta; print(build_meta.build_{kind}({out!r}))"


def files_of(root: Path) -> set[str]:
    """Finds what must be in a wheel: the modules of packages, and the files of data folders."""
    files = [path for room in ROOMS for path in (root / room).rglob("*") if path.is_file()]
    found = set()
    for path in files:
        name = path.relative_to(root)
        module = path.suffix == ".py" and (path.parent / "__init__.py").exists()
        if "__pycache__" not in name.parts and (module or not set(DATA).isdisjoint(name.parts)):
            found.add(name.as_posix())
    return found


def left_behind(folder: str, names: list[str]) -> set[str]:
    """Names what is no part of a clone: what git and the tools keep, and what was made."""
    made = {".git", ".venv", "build", "dist", "runs"} if Path(folder) == ROOT else set()
    return made | {name for name in names if name.endswith((".egg-info", "__pycache__"))}


def build(kind: str, source: Path, out: Path) -> Path:
    """Builds an archive as `python -m build --no-isolation` does, and returns its path."""
    code = BUILD.format(kind=kind, out=str(out))
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The source archive and the wheel that is built from it, unpacked: (folder, folder)."""
    setuptools = pytest.importorskip("setuptools", reason="setuptools builds, and is not here")
    if int(setuptools.__version__.partition(".")[0]) < 77:
        pytest.skip(f"pyproject.toml asks for setuptools 77, and {setuptools.__version__} is here")
    folder = tmp_path_factory.mktemp("archives")
    shutil.copytree(ROOT, folder / "clone", ignore=left_behind, symlinks=True)
    packed = build("sdist", folder / "clone", folder)
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "sdist", filter="data")
    (source,) = (folder / "sdist").iterdir()
    with zipfile.ZipFile(build("wheel", source, folder)) as wheel:
        wheel.extractall(folder / "wheel")
    return source, folder / "wheel"


def test_the_expected_files_are_those_that_are_meant():
    files = files_of(ROOT)
    assert {"relx/faults.py", "recipes/demo.yaml", "sample/train.csv", "tapt/pretrain.py"} <= files
    assert {"sample/emotion/train.jsonl", "sample/emotion/words.toml"} <= files
    assert {"relx/look/static/look.css", "relx/look/templates/report.html"} <= files


def test_every_folder_with_modules_is_a_package():
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(archives):
    _, wheel = archives
    here = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    about = {name for name in here if ".dist-info/" in name}
    assert here - about == files_of(ROOT)
    (entry,) = (name for name in about if name.endswith("entry_points.txt"))
    assert "relx = relx_cli.main:main" in (wheel / entry).read_text(encoding="utf-8")


def test_the_source_archive_holds_what_make_and_the_tests_read(archives):
    source, _ = archives
    for name in ("Makefile", "requirements.lock", "requirements-test.lock", "README.ko.md"):
        assert (source / name).read_bytes() == (ROOT / name).read_bytes()
    assert (source / "tests" / Path(__file__).name).exists()


def test_what_is_installed_finds_its_recipes_and_its_sample(archives, tmp_path):
    _, wheel = archives
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r})\n"
        "from relx_cli import demo, main\n"
        "print(demo.__file__)\n"
        "sets = [word for text in demo.DEMOS['relation'].settings() for word in ('--set', text)]\n"
        "sys.exit(main.run(['validate', '--recipe', 'demo', *sets]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert str(wheel / "relx_cli" / "demo.py") in done.stdout
    assert str(wheel / "sample" / "train.csv") in done.stdout


def test_what_the_fast_part_leaves_out_is_there():
    files = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert set(SLOW) - files == set()
