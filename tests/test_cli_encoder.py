"""`relx encoder`: show, convert and check, on encoders of a few thousand weights."""

import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras_hub
import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import load_file, save_file

from relx.faults import InputError
from relx.models.encoder.check import compare
from relx.models.encoder.convert import load_as_it_is
from relx.models.encoder.describe import describe
from relx.models.encoder.load import load_encoder, save_encoder
from relx.models.encoder.sentences import SENTENCES, read_sentences
from relx.models.stored import source
from relx.models.stored.folder import WEIGHTS
from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer, write_tokenizer
from relx.recipe import FreshSizes, FreshSource
from relx_cli.main import run

COMMIT = "3" * 40
KNOWN = ["가. 나", "나라. 가"]  # letters of `SENTENCES` that the smallest vocabulary has
SIZES = {"layers": 1, "hidden": 12, "heads": 3, "intermediate": 20, "positions": 64}


@pytest.fixture(scope="module", params=["bert", "roberta"])
def original(request, tmp_path_factory):
    sizes = FreshSizes(architecture=request.param, vocabulary=90, **SIZES)
    fresh = FreshSource(fresh=sizes)
    loaded = load_encoder(fresh, sentences=lambda: SENTENCES, with_head=True, seed=3)
    folder = tmp_path_factory.mktemp(request.param) / "encoder"
    save_encoder(loaded, folder, "")
    return folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy to change."""
    return shutil.copytree(original, tmp_path / "copy")


def rewrite(folder, change):
    """Writes a folder's tensors anew; a changed array must be a copy."""
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})


def configure(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def as_pickle(folder):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(a.copy()) for name, a in load_file(folder / WEIGHTS).items()}
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def without_head(tensors):
    heads = ("cls.", "lm_head.")
    return {name: a.copy() for name, a in tensors.items() if not name.startswith(heads)}


def shown(folder, capsys):
    lines = Path(str(folder).removeprefix("keras:")).parent / "lines.txt"
    lines.write_text("\n".join(KNOWN), encoding="utf-8")
    assert run(["encoder", "show", str(folder), "--json", "--sentences", str(lines)]) == 0
    return json.loads(capsys.readouterr().out)


def checked(capsys, *words):
    status = run(["encoder", "check", *map(str, words), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_show_counts_what_is_there(folder, capsys):
    tree = shown(folder, capsys)
    tensors = load_file(folder / WEIGHTS)
    weights = tree["weights"]
    assert tree["architecture"] == json.loads((folder / "config.json").read_text())["model_type"]
    assert (tree["sizes"]["hidden"], tree["sizes"]["layers"]) == (12, 1)
    assert weights["parameters"] == sum(a.size for a in tensors.values())
    assert weights["dtypes"] == {"F32": weights["parameters"]}
    assert weights["files"] == {WEIGHTS: (folder / WEIGHTS).stat().st_size}
    assert (weights["head"], weights["tied"]) == (True, True)
    # dense, its bias, two of the layer norm, and a bias for each row of the vocabulary
    assert weights["head_parameters"] == 12 * 12 + 3 * 12 + tree["sizes"]["vocabulary"]
    assert tree["tokenizer"]["kind"] == "WordPiece"
    assert tree["tokenizer"]["special_ids"]["[MASK]"] == 4
    assert tree["warnings"] == [] and tree["revision"] is None


def test_show_counts_the_unknown_tokens_of_sentences(folder, capsys):
    assert shown(folder, capsys)["coverage"]["unknown"] == 0
    assert run(["encoder", "show", str(folder), "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["coverage"]["unknown"] > 0.2 * tree["coverage"]["tokens"]
    (warning,) = tree["warnings"]
    assert warning.startswith("eight Korean sentences:") and "no piece with" in warning


def test_show_says_that_an_embedding_is_far_larger_than_the_vocabulary(folder, capsys):
    words = "embeddings.word_embeddings.weight"

    def longer(tensors):
        return {
            name: np.concatenate([a, a, a]) if name.endswith(words) else a.copy()
            for name, a in tensors.items()
        }

    rows = shown(folder, capsys)["sizes"]["vocabulary"]
    rewrite(folder, longer)
    configure(folder, vocab_size=3 * rows)
    (warning,) = shown(folder, capsys)["warnings"]
    assert f"{3 * rows:,} rows and the tokenizer {rows:,} tokens" in warning


def test_show_prints_a_table(folder, capsys):
    assert run(["encoder", "show", str(folder)]) == 0
    lines = capsys.readouterr().out.partition("warning: ")[0].splitlines()
    values = dict(re.split(r"  +", line, maxsplit=1) for line in lines)
    assert values["hidden"] == "12"
    assert values["masked-LM head"].startswith("tied to the token embedding")


def test_show_tells_a_tied_copy_from_a_projection_of_its_own(folder, capsys):
    before = shown(folder, capsys)["weights"]

    def with_copy(tensors, shift=0.0):
        words = next(name for name in tensors if name.endswith("word_embeddings.weight"))
        decoder = "lm_head.decoder" if words.startswith("roberta") else "cls.predictions.decoder"
        copied = {name: a.copy() for name, a in tensors.items()}
        return copied | {f"{decoder}.weight": copied[words] + np.float32(shift)}

    rewrite(folder, with_copy)
    tied = shown(folder, capsys)["weights"]
    assert tied["tied"] and tied["parameters"] == before["parameters"]
    rewrite(folder, functools.partial(with_copy, shift=1.0))
    untied = shown(folder, capsys)["weights"]
    assert untied["tied"] is False and untied["parameters"] > before["parameters"]


def test_show_warns_of_what_would_not_load(folder, capsys):
    other = {"bert": "roberta", "roberta": "bert"}
    rows = shown(folder, capsys)["sizes"]["vocabulary"]
    kind = shown(folder, capsys)["architecture"]
    configure(folder, vocab_size=rows - 1, model_type=other[kind])
    warnings = " ".join(shown(folder, capsys)["warnings"])
    assert f"the tokenizer needs {rows} rows, the embedding has {rows - 1}" in warnings
    assert f"no token embedding of {other[kind]}" in warnings


def test_show_reads_no_pickle(folder, capsys):
    as_pickle(folder)
    tree = shown(folder, capsys)
    assert tree["weights"] is None and "only as a pickle" in tree["warnings"][0]


def test_show_loads_no_framework(folder):
    code = (
        f"import sys; from relx_cli.main import run; run(['encoder', 'show', {str(folder)!r}])\n"
        "print('loaded:', *{'keras', 'keras_hub', 'tensorflow', 'torch', 'jax'} & {*sys.modules})"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert "masked-LM head" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_show_knows_a_preset(tmp_path, capsys):
    pytest.importorskip("tensorflow_text", reason="keras_hub's tokenizers need tensorflow-text")
    sizes = {"num_layers": 1, "num_heads": 3, "hidden_dim": 12, "intermediate_dim": 20}
    backbone = keras_hub.models.BertBackbone(vocabulary_size=9, max_sequence_length=16, **sizes)
    backbone.save_to_preset(tmp_path)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "고려", "##의", "장군", "."]
    keras_hub.models.BertTokenizer(vocabulary=words).save_to_preset(tmp_path)
    tree = shown(f"keras:{tmp_path}", capsys)
    assert tree["architecture"] == "bert" and tree["sizes"]["longest text"] == 16
    assert tree["weights"]["parameters"] == backbone.count_params()
    assert tree["weights"]["head"] is False and tree["tokenizer"]["rows"] == 9
    (tmp_path / "model.weights.h5").write_bytes(b"no weights")
    assert "model.weights.h5" in shown(f"keras:{tmp_path}", capsys)["warnings"][0]


def test_convert_writes_the_same_encoder(folder, tmp_path, capsys):
    assert run(["encoder", "convert", str(folder), str(tmp_path / "new")]) == 0
    assert "with its masked-LM head" in capsys.readouterr().out
    assert (tmp_path / "new" / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
    assert str(folder) in (tmp_path / "new" / "README.md").read_text()


def test_convert_gives_no_head_to_what_has_none(folder, tmp_path, capsys):
    rewrite(folder, without_head)
    assert run(["encoder", "convert", str(folder), str(tmp_path / "new")]) == 0
    assert "without a masked-LM head" in capsys.readouterr().out
    assert describe(str(tmp_path / "new")).weights.head is False
    assert "random" not in (tmp_path / "new" / "README.md").read_text()


def test_convert_takes_a_pickle_where_allowed(folder, tmp_path, capsys):
    before = (folder / WEIGHTS).read_bytes()
    as_pickle(folder)
    words = ["encoder", "convert", str(folder), str(tmp_path / "new")]
    assert run(words) == 2
    assert "--allow-pickle" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert run([*words, "--allow-pickle"]) == 0
    assert (tmp_path / "new" / WEIGHTS).read_bytes() == before


def test_convert_replaces_nothing_unless_told_to(folder, original, tmp_path, capsys):
    (folder / "old.txt").write_text("")
    assert run(["encoder", "convert", str(original), str(folder)]) == 2
    assert "--force" in capsys.readouterr().err and (folder / "old.txt").exists()
    assert run(["encoder", "convert", str(original), str(folder), "--force"]) == 0
    assert not (folder / "old.txt").exists()
    assert run(["encoder", "convert", str(original), str(tmp_path), "--force"]) == 2
    assert "never replaced" in capsys.readouterr().err and folder.exists()


def another_family(folder):
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    configure(folder, model_type={"bert": "roberta", "roberta": "bert"}[kind])


def cut_short(folder):
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:-100])


def without_a_shard(folder):
    places = dict.fromkeys(load_file(folder / WEIGHTS), "part-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / WEIGHTS).unlink()


def larger_tokenizer(folder):
    more = ["아주 다른 문장에 나오는 낱말과 글자들", "값진 책 몇 권"]
    write_tokenizer(fresh_tokenizer([*SENTENCES, *more], 300), folder, 64, 2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (another_family, "another architecture than config.json says"),
        (cut_short, "not a complete safetensors file"),
        (without_a_shard, "part-1.safetensors"),
        (larger_tokenizer, "no row for"),
    ],
)
def test_what_cannot_be_right_is_one_message_and_leaves_nothing(
    folder, tmp_path, capsys, damage, message
):
    damage(folder)
    assert run(["encoder", "convert", str(folder), str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert message in error and "next:" in error and "Traceback" not in error
    assert not (tmp_path / "new").exists()


def test_check_finds_no_difference_between_copies(folder, original, capsys):
    status, tree = checked(capsys, original, folder)
    assert (status, tree["agree"], tree["notes"]) == (0, True, [])
    assert tree["hidden"] == tree["logits"] == 0
    assert tree["sentences"] == len(SENTENCES) and tree["tokens"] > 2 * len(SENTENCES)


@pytest.mark.parametrize("part", ["head", "encoder"])
def test_check_ends_with_1_beyond_the_tolerance(folder, original, capsys, part):
    name = {"head": r"(cls.predictions|lm_head).bias", "encoder": "output.LayerNorm.bias"}[part]

    def shifted(tensors):
        ends = name.split(")")[-1]
        where = ("cls.predictions", "lm_head") if part == "head" else ("bert", "roberta")
        return {
            key: a + np.float32(0.01) if key.startswith(where) and key.endswith(ends) else a.copy()
            for key, a in tensors.items()
        }

    rewrite(folder, shifted)
    status, tree = checked(capsys, original, folder)
    assert (status, tree["agree"]) == (1, False)
    assert tree["logits"] > 1e-4 and (tree["hidden"] == 0) == (part == "head")
    status, tree = checked(capsys, original, folder, "--tolerance", "10")
    assert (status, tree["agree"]) == (0, True)


def test_check_passes_no_nan(folder, original, capsys):
    def broken(tensors):
        words = next(name for name in tensors if name.endswith("word_embeddings.weight"))
        return {k: a * np.float32("nan") if k == words else a.copy() for k, a in tensors.items()}

    rewrite(folder, broken)
    status, tree = checked(capsys, original, folder)
    assert (status, tree["agree"], tree["hidden"]) == (1, False, None)


def test_check_compares_hidden_states_where_one_has_no_head(folder, original, capsys):
    rewrite(folder, without_head)
    status, tree = checked(capsys, original, folder)
    assert (status, tree["hidden"], tree["logits"]) == (0, 0, None)
    assert str(folder) in tree["notes"][0]


def test_check_prints_a_table_and_reads_sentences(folder, original, tmp_path, capsys):
    (tmp_path / "lines.txt").write_text("가람은 나루시에 산다.\n\n" + "긴 글 " * 200 + "\n")
    words = ["--sentences", str(tmp_path / "lines.txt")]
    assert run(["encoder", "check", str(original), str(folder), *words]) == 0
    out = capsys.readouterr().out
    assert "masked-LM logits" in out and "0.00e+00" in out and "2 sentences" in out


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe\xff"])
def test_sentences_that_cannot_be_read_are_an_error(tmp_path, content):
    path = tmp_path / "lines.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError):
        read_sentences(path)


def test_encoders_of_other_widths_cannot_be_compared(original):
    narrow = FreshSource(fresh=FreshSizes(vocabulary=90, **SIZES | {"hidden": 6}))
    other = load_encoder(narrow, sentences=lambda: SENTENCES, seed=3)
    with pytest.raises(InputError, match="different widths"):
        compare(load_as_it_is(str(original)), other, SENTENCES)


def test_a_hub_id_is_loaded_at_its_revision_and_says_which(original, tmp_path, monkeypatch, capsys):
    snapshots = tmp_path / "models--somebody--tiny" / "snapshots"
    shutil.copytree(original, snapshots / COMMIT)
    (snapshots.parent / "refs").mkdir()
    (snapshots.parent / "refs" / "v1").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(source, "_fetch", functools.cache(source._fetch.__wrapped__))
    loaded = load_encoder("somebody/tiny", revision="v1", seed=1)
    assert (loaded.source, loaded.revision) == ("somebody/tiny", COMMIT)
    assert run(["encoder", "show", "somebody/tiny", "--revision", "v1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revision"] == COMMIT
    words = ["encoder", "convert", "somebody/tiny", str(tmp_path / "new"), "--revision", "v1"]
    assert run(words) == 0
    assert COMMIT in (tmp_path / "new" / "README.md").read_text()
    assert run(["encoder", "show", "somebody/tiny"]) == 2
    assert "HF_HUB_OFFLINE" in capsys.readouterr().err
