import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORKS = {"keras", "keras_hub", "tensorflow", "torch", "jax"}
TABLES = {"pandas", "pyarrow", "openpyxl"}
HEAVY = FRAMEWORKS | TABLES | {"transformers", "sklearn"}
NO_FRAMEWORK = [
    "relx.recipe",
    "relx.recipe_file",
    "relx.tasks.relation.rows",
    "relx.data.labels",
    "relx.data.rows.splits",
    "relx.tasks.relation.markers",
    "relx.data.tokenizing.tokens",
    "relx.data.tokenizing.token_rows",
    "relx.scoring.decisions.one_of",
    "relx.tasks.relation.answers",
    "relx.tasks.relation.task",
    "relx.dataset",
    "relx.models.saved",
    "relx.score",
    "relx.runs.stage",
    "relx.runs.resume",
    "relx.runs.state",
    "relx.training.log",
    "relx.files",
    "relx.validate",
    "relx.devices.processes",
    "relx.devices.device",
    "relx.devices.speed",
    "relx.engines.engine",
    "relx.footprint.recipes",
    "relx.footprint.smaller",
    "relx.models.stored.tokenizers.tokenizer",
    "tapt.corpus",
    "tapt.masking",
]
NOTHING_HEAVY = [
    "relx.scoring.decisions.one_of",
    "relx.scoring.decisions.any_of",
    "relx.scoring.predictions",
    "relx.tasks.relation.answers",
    "relx.tasks.relation.task",
    "relx.score",
    "relx_cli.main",
]


def loaded(code: str, of: set[str]) -> set[str]:
    """The modules, out of `of`, that a new process has loaded after `code`."""
    report = f"import sys; print('loaded:', *sorted({of!r} & set(sys.modules)))"
    script = f"import atexit\natexit.register(lambda: exec({report!r}))\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in done.stderr, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_this_test_sees_a_heavy_import():
    assert loaded("import openpyxl", HEAVY) == {"openpyxl"}


@pytest.mark.parametrize("module", NO_FRAMEWORK)
def test_no_framework_is_loaded_with(module):
    assert importlib.util.find_spec(module)
    assert loaded(f"import {module}", FRAMEWORKS) == set()


@pytest.mark.parametrize("module", NOTHING_HEAVY)
def test_nothing_heavy_is_loaded_with(module):
    assert loaded(f"import {module}", HEAVY) == set()


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["score", "--help"],
        ["validate", "--help"],
        ["devices", "--help"],
        ["recipes", "list"],
    ],
)
def test_nothing_heavy_is_loaded_by(words):
    code = f"import sys; sys.argv = ['relx', *{words!r}]; from relx_cli.main import main; main()"
    assert loaded(code, HEAVY) == set()


@pytest.mark.parametrize("command", ["tapt", "train", "predict"])
def test_no_framework_is_loaded_by_the_help_of(command):
    words = [command, "--help"]
    code = f"import sys; sys.argv = ['relx', *{words!r}]; from relx_cli.main import main; main()"
    assert loaded(code, FRAMEWORKS) == set()


def test_help_loads_neither_rich_nor_pydantic_nor_numpy():
    code = "import sys; sys.argv = ['relx', '--help']; from relx_cli.main import main; main()"
    assert loaded(code, {"rich", "pydantic", "numpy", "yaml", "relx.recipe"}) == set()


READING = "from pathlib import Path; from relx.data.table import read_table; read_table(Path({!r}))"


@pytest.mark.parametrize("text", ["id,label\n7,a\n", '[{"id": 7}]', '{"id": 7}\n'])
def test_a_text_is_read_without_the_libraries_of_other_formats(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert loaded(READING.format(str(path)), HEAVY) == set()


def test_a_file_loads_the_library_of_its_own_format_alone(tmp_path):
    import openpyxl
    import pyarrow
    from pyarrow import parquet

    book, table = tmp_path / "a.xlsx", tmp_path / "a.parquet"
    openpyxl.Workbook().save(book)
    parquet.write_table(pyarrow.table({"id": [7]}), table)
    assert loaded(READING.format(str(book)), HEAVY) == {"openpyxl"}
    assert loaded(READING.format(str(table)), HEAVY) == {"pyarrow"}


def test_validating_a_csv_loads_neither_pandas_nor_pyarrow_nor_openpyxl():
    words = ["validate", "--data", "sample/train.csv"]
    code = f"import sys; sys.argv = ['relx', *{words!r}]; from relx_cli.main import main; main()"
    assert loaded(code, HEAVY) == set()
