"""`relx fit`: what it prints, what it proposes, and what it does not load."""

import json
import os
import subprocess
import sys

import huggingface_hub
import pytest
import yaml
from huggingface_hub import constants

from relx.models.stored import source
from relx_cli.main import run

CONFIG = {
    "model_type": "llama",
    "vocab_size": 32000,
    "hidden_size": 2048,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 8192,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}


@pytest.fixture
def folder(tmp_path):
    """A checkpoint of which config.json alone is here."""
    folder = tmp_path / "decoder"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture
def recipe(tmp_path, folder):
    return written(tmp_path, str(folder))


def written(tmp_path, name, **section):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.dump({"name": "a", "decoder": {"from": name, **section}}))
    return str(path)


def told(words, capsys, status=0):
    assert run(["fit", *words, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_the_table_sums_up(recipe, capsys):
    assert run(["fit", "--recipe", recipe]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.rsplit(maxsplit=1) for line in lines[1:-1]]
    sizes = {what: float(size) for what, size in rows}
    total = sizes.pop("sum")
    assert sum(sizes.values()) == pytest.approx(total, abs=0.05)
    # 16 layers of 2048 x 2048 and so on, a byte each, and their scales
    assert sizes["frozen kernels in int8"] == pytest.approx(0.91, abs=0.01)
    assert "16 rows x 256 tokens at once, float32, tensorflow" in lines[-1]


def test_json_holds_the_same_in_bytes(recipe, capsys):
    tree = told(["--recipe", recipe, "--backend", "torch"], capsys)
    assert tree["backend"] == "torch" and tree["precision"] == "float32"
    assert tree["total"] == pytest.approx(sum(tree["parts"].values()), abs=20)
    assert "fits" not in tree


def test_auto_is_bfloat16_on_a_gpu(recipe, capsys):
    assert told(["--recipe", recipe, "--gpu", "900"], capsys)["precision"] == "mixed_bfloat16"
    words = ["--recipe", recipe, "--gpu", "900", "--set", "device.precision=float32"]
    assert told(words, capsys)["precision"] == "float32"


def test_a_gpu_that_is_too_small_ends_in_proposals_that_hold(recipe, capsys):
    assert run(["fit", "--recipe", recipe, "--gpu", "12"]) == 1
    out = capsys.readouterr().out
    assert "does not fit in 12 GiB" in out
    lines = [line.split("(")[0].split() for line in out.splitlines() if line.startswith("  --set")]
    assert ["--set", "train.remat=true"] in lines
    for words in lines:
        assert run(["fit", "--recipe", recipe, "--gpu", "12", *words]) == 0
        assert "\nfits in 12 GiB" in capsys.readouterr().out


def test_where_one_change_does_not_suffice_several_are_proposed(recipe, capsys):
    tree = told(["--recipe", recipe, "--gpu", "3"], capsys, status=1)
    (proposal,) = tree["proposals"]
    assert len(proposal["set"]) > 1
    words = [word for key, v in proposal["set"].items() for word in ("--set", f"{key}={v}".lower())]
    assert told(["--recipe", recipe, "--gpu", "3", *words], capsys)["fits"]


def test_a_gpu_that_nothing_fits_in_is_told_so(recipe, capsys):
    assert run(["fit", "--recipe", recipe, "--gpu", "1"]) == 1
    assert "no change of batch, format" in capsys.readouterr().out


@pytest.mark.parametrize("gpu", ["0", "-1", "much"])
def test_a_gpu_has_some_memory(recipe, capsys, gpu):
    assert run(["fit", "--recipe", recipe, "--gpu", gpu]) == 2
    assert "--gpu" in capsys.readouterr().err


def test_a_folder_without_a_configuration_is_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(["fit", "--recipe", written(tmp_path, str(tmp_path / "empty"))]) == 2
    assert "this folder has no config.json" in capsys.readouterr().err


def test_an_unknown_target_is_named_with_its_nearest(tmp_path, folder, capsys):
    path = written(tmp_path, str(folder), lora={"targets": ["q_prj"]})
    assert run(["fit", "--recipe", path]) == 2
    err = capsys.readouterr().err
    assert "decoder.lora.targets" in err and "did you mean q_proj?" in err


def test_of_a_hub_id_config_json_alone_is_fetched(tmp_path, folder, monkeypatch, capsys):
    asked = []

    def download(hub_id, name, *, revision, **_):
        asked.append((hub_id, name, revision))
        return str(folder / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    source._fetch_configuration.cache_clear()
    path = written(tmp_path, "someone/decoder", revision="v1")
    assert told(["--recipe", path], capsys)["total"] > 0
    assert asked == [("someone/decoder", "config.json", "v1")]


def test_a_hub_id_that_cannot_be_reached_is_told_with_its_remedy(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    source._fetch_configuration.cache_clear()
    assert run(["fit", "--recipe", written(tmp_path, "someone/other")]) == 2
    err = capsys.readouterr().err
    assert "HF_HUB_OFFLINE" in err and "--set decoder.from=FOLDER" in err


def test_a_preset_by_name_is_not_fetched(tmp_path, capsys):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.dump({"name": "a", "encoder": {"from": "keras:bert_base_multi"}}))
    assert run(["fit", "--recipe", str(path)]) == 2
    assert "config.json alone is read" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["decoder-demo", "demo"])
def test_no_framework_is_loaded(name):
    code = "import sys; from relx_cli.main import run; status = run(sys.argv[1:]); "
    code += "print('loaded:', *{'keras', 'tensorflow', 'torch', 'jax'} & {*sys.modules}); "
    code += "sys.exit(status)"
    words = [sys.executable, "-c", code, "fit", "--recipe", name, "--gpu", "0.1"]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"
