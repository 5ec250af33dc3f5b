import csv
import json
import subprocess
import sys
from pathlib import Path
from unicodedata import normalize

import pytest
from click.testing import CliRunner

from relx.recipe import DataSection
from relx.recipe_file import recipe_from_tree, recipe_yaml
from relx.validate import validate, validate_file
from relx_cli.validate import validate as command

PARENT, SIBLING, NONE = "per:parents", "per:siblings", "no_relation"
SHARED = Path(__file__).parents[2] / "shared" / "data"


def row(name, sentence="가람은 나루의 형이다.", label=SIBLING, **changes):
    subject = {"word": sentence[:2], "start_idx": 0, "end_idx": 1, "type": "PER"}
    object_ = {"word": sentence[4:6], "start_idx": 4, "end_idx": 5, "type": "PER"}
    cells = {"id": name, "sentence": sentence, "subject_entity": subject, "object_entity": object_}
    return {**cells, "label": label, "source": "own", **changes}


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def recipe_of(**data):
    fresh = {"fresh": {"layers": 1, "hidden": 8, "heads": 1, "vocabulary": 60, "positions": 512}}
    tree = {"name": "t", "encoder": {"from": fresh}, "tokens": {"max_length": 64}}
    return recipe_from_tree({**tree, "data": {key: str(value) for key, value in data.items()}})


def found(report):
    return {finding.kind: finding for finding in report.findings}


LABELS = ["no_relation", "per:parents", "per:siblings"]


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(LABELS))
    return path


def test_clean_files_give_counts_and_nothing_else(tmp_path, labels):
    rows = [row(str(i), f"가람은 {i}째의.", name) for i, name in enumerate(LABELS)]
    train = write(tmp_path / "train.csv", rows)
    test = write(tmp_path / "test.csv", [row("0", "누리는 미르.", "100")])
    report = validate(recipe_of(train=train, test=test, labels=labels))
    assert not report.faults and not report.left_out
    assert not report.findings
    assert [(file.role, file.rows, file.bad_rows) for file in report.files] == [
        ("train", 3, 0),
        ("test", 1, 0),
    ]
    assert report.files[0].labels == dict.fromkeys(LABELS, 1) and report.files[1].labels == {}


def test_the_faults_of_all_files_are_found_at_once(tmp_path, labels):
    train = write(tmp_path / "train.csv", [row("1"), row("2", label="?"), row("3", label="100")])
    test = write(tmp_path / "test.csv", [row("1", label="?"), row("1") | {"sentence": ""}])
    dev = tmp_path / "dev.csv"
    report = validate(recipe_of(train=train, dev=dev, test=test, labels=labels))
    assert report.kinds == {
        "unknown label": 1,
        "missing label": 1,
        "no such file": 1,
        "duplicate id": 1,
        "empty sentence": 1,
    }
    assert [(bad.path, bad.row.line) for bad in report.bad_rows] == [
        (train, 3),
        (train, 4),
        (test, 3),
    ]
    assert [fault.kind for fault in report.file_faults] == ["no such file"]


def test_labels_that_cannot_be_read_are_a_fault_beside_those_of_the_rows(tmp_path):
    train = write(tmp_path / "train.csv", [row("1", label="?"), row("", label="?")])
    report = validate(recipe_of(train=train, labels=tmp_path / "labels.json"))
    assert [fault.kind for fault in report.faults] == ["labels", "empty id"]


def test_repeated_rows_and_keys_with_two_labels_are_told(tmp_path, labels):
    rows = [row("1"), row("2", "누리는 미르.", NONE), row("3"), row("4", label=PARENT)]
    train = write(tmp_path / "train.csv", rows)
    findings = found(validate_file(train, DataSection(labels=str(labels))))
    assert findings["duplicate rows"].count == 2
    assert findings["duplicate rows"].places == (f"{train}:4 (id 3)", f"{train}:5 (id 4)")
    assert findings["two labels"].count == 1
    assert f"{train}:5 (id 4) {PARENT}" in findings["two labels"].places[0]
    assert "labels without examples" not in findings


def test_one_sentence_with_other_entities_is_no_duplicate(tmp_path, labels):
    turned = row("2", label=PARENT)
    turned["subject_entity"], turned["object_entity"] = (
        turned["object_entity"],
        turned["subject_entity"],
    )
    train = write(tmp_path / "train.csv", [row("1"), turned])
    findings = found(validate_file(train, DataSection(labels=str(labels))))
    assert set(findings) == {"labels without examples"}
    assert findings["labels without examples"].places == (NONE,)


def test_sentences_in_two_files_are_told(tmp_path, labels):
    train = write(tmp_path / "train.csv", [row("1"), row("2", "누리는 미르.")])
    dev = write(tmp_path / "dev.csv", [row("1")])
    test = write(tmp_path / "test.csv", [row("1", "누리는 미르."), row("2", "누리는 미르.")])
    findings = found(validate(recipe_of(train=train, dev=dev, test=test, labels=labels)))
    assert findings["sentences shared by train and dev"].count == 1
    shared = findings["sentences shared by train and test"]
    assert shared.count == 1 and "(2 rows)" in shared.message and len(shared.places) == 2
    assert "sentences shared by dev and test" not in findings


def test_texts_and_entities_that_the_window_cuts_are_counted(tmp_path, labels):
    long = row("2", "가람은 나루의 " + "아주 " * 40 + "형이다.")
    apart = row("3", "가람은 " + "아주 " * 40 + "나루의 형이다.")
    start = apart["sentence"].index("나루")
    apart["object_entity"] = {
        "word": "나루",
        "start_idx": start,
        "end_idx": start + 1,
        "type": "PER",
    }
    train = write(
        tmp_path / "train.csv", [row("1", "누리는 미르."), long, apart, apart | {"id": "4"}]
    )
    tree = recipe_of(train=train, labels=labels).tree()
    findings = found(validate(recipe_from_tree({**tree, "tokens": {"max_length": 40}})))
    cut = findings["texts longer than the window"]
    assert cut.places == tuple(f"{train}:{i + 1} (id {i})" for i in (2, 3, 4))
    refused = findings["entities that the window cuts"]
    assert refused.count == 2 and refused.places == cut.places[1:]
    findings = found(validate(recipe_from_tree({**tree, "tokens": {"max_length": 400}})))
    assert not {cut.kind, refused.kind} & set(findings)


def test_an_entity_that_the_tokenizer_drops_is_a_fault(tmp_path, labels):
    blank = row("2", "\u200b\u200b은 나루의 형이다.")
    train = write(tmp_path / "train.csv", [row("1"), blank])
    report = validate(recipe_of(train=train, labels=labels))
    (fault,) = report.faults
    assert fault.kind == "words without tokens" and fault.where == f"{train}:3 (id 2)"


def test_without_a_tokenizer_the_window_is_left_out_and_said(tmp_path, labels):
    train = write(tmp_path / "train.csv", [row("1")])
    tree = recipe_of(train=train, labels=labels).tree()
    report = validate(recipe_from_tree({**tree, "encoder": {"from": str(tmp_path / "none")}}))
    assert not report.faults
    (check,) = report.left_out
    assert check.startswith("texts longer than the window, for want of a tokenizer: ")


# --- the command


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_command_lists_faults_and_ends_with_2(tmp_path, labels):
    path = write(tmp_path / "my.csv", [row("1"), *(row(str(i), label="?") for i in range(2, 62))])
    result = run("--data", path, "--labels", labels)
    assert result.exit_code == 2
    assert result.stdout.count("fault: ") == 50 and "10 more faults" in result.stdout
    assert f"{path}:3 (id 2), column label" in result.stdout
    assert run("--data", path, "--labels", labels, "--all").stdout.count("fault: ") == 60


def test_the_command_ends_with_0_on_a_clean_file(tmp_path, labels):
    path = write(tmp_path / "my.csv", [row("1"), row("2", "누리는 미르.", "100")])
    result = run("--data", path, "--labels", labels)
    assert result.exit_code == 0
    assert "2 rows, 0 faults" in result.stdout and "(none)" in result.stdout


def test_the_command_reads_ends_and_the_negative_label(tmp_path):
    path = write(tmp_path / "my.csv", [row("1"), row("2", "누리는 미르.", PARENT)])
    options = ["--data", path, "--labels", "from-train"]
    assert run(*options).exit_code == 2
    assert run(*options, "--negative", "").exit_code == 0
    result = run(*options, "--negative", "", "--ends", "exclusive")
    assert result.exit_code == 2 and "data.ends: inclusive" in result.stdout


def test_skipping_writes_the_bad_rows_and_succeeds(tmp_path, labels):
    path = write(tmp_path / "my.csv", [row("1"), row("2", label="?")])
    skipped = tmp_path / "bad.csv"
    result = run("--data", path, "--labels", labels, "--skip-bad-rows", skipped)
    assert result.exit_code == 0 and "1 rows with faults written" in result.output
    with skipped.open(encoding="utf-8", newline="") as stream:
        (bad,) = csv.DictReader(stream)
    assert bad["id"] == "2" and bad["fault"] and bad["line"] == "3"


def test_skipping_does_not_hide_a_fault_of_the_file(tmp_path, labels):
    path = tmp_path / "my.csv"
    path.write_text("")
    result = run("--data", path, "--labels", labels, "--skip-bad-rows", tmp_path / "bad.csv")
    assert result.exit_code == 2 and not (tmp_path / "bad.csv").exists()


def test_json_holds_everything(tmp_path, labels):
    path = write(tmp_path / "my.csv", [row("1"), row("2", label="?")])
    result = run("--data", path, "--labels", labels, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 2 and report["kinds"] == {"unknown label": 1}
    assert report["faults"][0]["where"].endswith("my.csv:3 (id 2), column label")
    assert report["files"][0]["labels"] == {SIBLING: 1} and report["labels"] == LABELS


def test_options_for_a_file_need_a_file():
    result = run("--labels", "klue")
    assert result.exit_code == 2 and "--labels goes with --data" in result.output


@pytest.mark.skipif(
    not (SHARED / "klue_re").is_dir(), reason="the KLUE-RE files are not beside the repository"
)
def test_klue_re_has_the_known_repeats():
    report = validate_file(SHARED / "klue_re/train.csv", DataSection())
    findings = found(report)
    assert report.files[0].rows == 32470 and not report.faults
    assert {kind: finding.count for kind, finding in findings.items()} == {
        "duplicate rows": 47,
        "two labels": 5,
    }
    assert report.files[0].labels["no_relation"] == 9534


def test_validating_a_recipe_loads_no_deep_learning_framework(tmp_path, labels):
    train = write(tmp_path / "train.csv", [row("1"), row("2", "누리는 미르.")])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe_yaml(recipe_of(train=train, labels=labels)), encoding="utf-8")
    script = (
        "import sys; from relx_cli.main import run; "
        f"status = run(['validate', '-q', '--recipe', {str(recipe)!r}]); "
        "sys.exit(status or len({'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "not checked" not in done.stdout and "2 rows, 0 faults" in done.stdout


def klue_like(tmp_path, **settings):
    """A model's folder as KLUE's, with a vocabulary of the rows below."""
    folder = tmp_path / "model"
    folder.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"가누나미.", "@", "#", "*", "^"]
    pieces += ["##람", "##은", "##리", "##는", "##루", "##의", "형", "##이", "##다", "per", "poh"]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    sizes = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 1}
    sizes |= {"intermediate_size": 8, "max_position_embeddings": 32, "vocab_size": len(pieces)}
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **sizes, **settings}))
    return folder


def with_model(folder, train, labels, length=32):
    tree = {"name": "t", "encoder": {"from": str(folder)}, "tokens": {"max_length": length}}
    return recipe_from_tree({**tree, "data": {"train": str(train), "labels": str(labels)}})


def test_the_share_of_unknown_tokens_is_counted_and_refused(tmp_path, labels):
    folder = klue_like(tmp_path)
    train = write(tmp_path / "train.csv", [row(str(i)) for i in range(30)])
    report = validate(with_model(folder, train, labels))
    assert not report.faults and report.files[0].coverage.lost == 0
    (folder / "tokenizer_config.json").unlink()  # and now it lower-cases
    report = validate(with_model(folder, train, labels))
    (fault,) = report.faults
    assert fault.kind == "unknown tokens" and "do_lower_case" in fault.next_step
    result = CliRunner().invoke(command, ["--recipe", str(saved(tmp_path, report, folder, labels))])
    assert result.exit_code == 2 and " 83 %" in result.output, result.output


def saved(tmp_path, report, folder, labels):
    path = tmp_path / "recipe.yaml"
    recipe = with_model(folder, report.files[0].path, labels)
    path.write_text(recipe_yaml(recipe), encoding="utf-8")
    return path


def test_the_positions_of_the_model_are_known(tmp_path, labels):
    folder = klue_like(tmp_path)
    train = write(tmp_path / "train.csv", [row(str(i), f"가람은 나루의 {i}") for i in range(3)])
    (fault,) = validate(with_model(folder, train, labels, 33)).faults
    assert fault.kind == "positions" and fault.next_step == "--set tokens.max_length=32"
    (folder / "vocab.txt").unlink()  # the window is known without a tokenizer
    report = validate(with_model(folder, train, labels, 33))
    assert [fault.kind for fault in report.faults] == ["positions"] and report.left_out


@pytest.mark.parametrize(
    ("settings", "length"),
    [
        ({"model_type": "roberta", "pad_token_id": 1}, 30),  # two positions are the padding's
        ({"model_type": "electra", "embedding_size": 8}, 32),
        ({"model_type": "distilbert", "dim": 8, "n_layers": 1, "n_heads": 1, "hidden_dim": 8}, 32),
    ],
)
def test_the_positions_are_those_of_the_architecture(tmp_path, labels, settings, length):
    folder = klue_like(tmp_path, **settings)
    train = write(tmp_path / "train.csv", [row("1")])
    assert not validate(with_model(folder, train, labels, length)).faults
    (fault,) = validate(with_model(folder, train, labels, length + 1)).faults
    assert fault.next_step == f"--set tokens.max_length={length}"


def test_tokens_without_a_row_of_the_embedding_are_found(tmp_path, labels):
    folder = klue_like(tmp_path, vocab_size=20)
    train = write(tmp_path / "train.csv", [row("1")])
    (fault,) = validate(with_model(folder, train, labels)).faults
    assert fault.kind == "vocabulary" and "20 rows" in fault.received


def test_decomposed_sentences_are_found_and_the_remedy_offered(tmp_path, labels):
    sentence = normalize("NFD", "가람은 나루의 형이다.")
    changes = {
        "subject_entity": {"word": sentence[:5], "start_idx": 0, "end_idx": 4, "type": "PER"},
        "object_entity": {"word": sentence[9:13], "start_idx": 9, "end_idx": 12, "type": "PER"},
    }
    train = write(tmp_path / "train.csv", [row("1", sentence, **changes)])
    finding = found(validate(recipe_of(train=train, labels=labels)))["decomposed text"]
    assert finding.count == 1 and "data.normalize=nfc" in finding.message
    composed = recipe_of(train=train, labels=labels, normalize="nfc")
    assert "decomposed text" not in found(validate(composed))
