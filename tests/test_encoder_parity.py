"""The encoder against transformers on PyTorch: hidden states and masked-LM logits, both ways."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import encoder_models as models  # noqa: E402
from encoder_models import CASES, FAMILIES, batch, theirs, write  # noqa: E402

from relx.models.encoder.architectures.deberta_attention import distance_rows  # noqa: E402
from relx.models.encoder.families.deberta import DebertaConfig  # noqa: E402
from relx.models.encoder.load import FRESH_HEAD, load_encoder, save_encoder  # noqa: E402

LIMIT = 1e-5
SHARED = Path(__file__).parents[1] / ".." / "shared"


def load(folder, **options):
    return load_encoder(str(folder), seed=1, **options)


def assert_hidden_close(loaded, model, inputs):
    ours = models.our_hidden(loaded.encoder, inputs)
    assert models.difference(ours, models.their_hidden(model, inputs), inputs) < LIMIT


def assert_outputs_close(loaded, model, inputs):
    ours, expected = models.our_outputs(loaded, inputs), models.their_outputs(model, inputs)
    for mine, other in zip(ours, expected, strict=True):
        assert models.difference(mine, other, inputs) < LIMIT


@pytest.mark.parametrize("case", CASES)
def test_hidden_states_and_logits_are_those_of_transformers_both_ways(case, tmp_path):
    numbers = models.parity(case, tmp_path)
    assert len(numbers) == 4 and max(numbers.values()) < LIMIT, numbers


def test_the_batch_tells_models_apart_and_padding_does_not():
    model = theirs("bert")
    inputs = batch(model)
    hidden, _ = models.their_outputs(model, inputs)
    others = inputs | {"input_ids": np.where(inputs["attention_mask"], inputs["input_ids"], 7)}
    assert models.difference(hidden, models.their_outputs(model, others)[0], inputs) < LIMIT
    shifted = models.their_outputs(models.shaken(model, seed=1), inputs)[0]
    assert models.difference(hidden, shifted, inputs) > 0.1


@pytest.mark.parametrize("case", FAMILIES)
def test_transformers_loads_what_is_written_with_every_key_and_new_tokens(case, tmp_path):
    write(theirs(case), tmp_path / "theirs")
    loaded = load(tmp_path / "theirs", marker_tokens=[f"[E{i}]" for i in range(60)], with_head=True)
    save_encoder(loaded, tmp_path / "ours", "")
    model = models.reloaded(transformers.AutoModelForMaskedLM, tmp_path / "ours")
    assert_outputs_close(loaded, model, batch(model))

    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    text = "[E1]강감찬[E1]은 고려의 장군"
    assert tokenizer(text)["input_ids"] == loaded.tokenizer(text)["input_ids"]
    assert model.config.vocab_size == len(tokenizer) == len(loaded.tokenizer) > 97


@pytest.mark.parametrize("case", FAMILIES)
def test_transformers_loads_an_encoder_without_head(case, tmp_path):
    write(theirs(case), tmp_path / "theirs")
    loaded = load(tmp_path / "theirs")
    save_encoder(loaded, tmp_path / "ours", "")
    pooled = case in ("bert", "roberta", "xlm-roberta", "albert")
    options = {"add_pooling_layer": False} if pooled else {}
    model = models.reloaded(transformers.AutoModel, tmp_path / "ours", **options)
    assert_hidden_close(loaded, model, batch(model))


@pytest.mark.parametrize("case", ["bert", "electra", "albert", "deberta-v3", "modernbert"])
def test_an_encoder_saved_alone_by_transformers_loads_and_its_head_starts_fresh(case, tmp_path):
    write(theirs(case), tmp_path)
    model = models.shaken(transformers.AutoModel.from_config(models.configured(case)))
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path, with_head=True)
    assert loaded.notes == [FRESH_HEAD]
    assert_hidden_close(loaded, model, batch(model))


@pytest.mark.parametrize("case", ["bert", "albert"])
def test_pretraining_checkpoints_load_with_their_head(case, tmp_path):
    model = transformers.AutoModelForPreTraining.from_config(models.configured(case))
    write(models.shaken(model), tmp_path)
    loaded = load(tmp_path, with_head=True)
    inputs = batch(model)
    with torch.no_grad():
        outputs = model(**{k: torch.tensor(v) for k, v in inputs.items()})
    _, logits = models.our_outputs(loaded, inputs)
    assert loaded.notes == []
    assert models.difference(logits, outputs.prediction_logits.numpy(), inputs) < LIMIT


def test_an_electra_discriminator_loads_and_its_own_head_is_left_out_by_name(tmp_path):
    model = transformers.ElectraForPreTraining(models.configured("electra"))
    write(models.shaken(model), tmp_path)
    loaded = load(tmp_path, with_head=True)
    left_out, fresh = loaded.notes
    assert "discriminator_predictions.dense_prediction.weight" in left_out
    assert fresh == FRESH_HEAD
    assert_hidden_close(loaded, model.electra, batch(model))


def test_a_deberta_whose_config_is_silent_has_the_head_that_its_file_holds(tmp_path):
    """Published DeBERTa-v3 folders say nothing of `legacy`, and transformers loses their head."""
    model = theirs("deberta-v3")
    write(model, tmp_path / "theirs")
    path = tmp_path / "theirs" / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in values.items() if k != "legacy"}))
    loaded = load(tmp_path / "theirs", with_head=True)
    assert loaded.notes == []
    assert_outputs_close(loaded, model, batch(model))
    save_encoder(loaded, tmp_path / "ours", "")
    again = models.reloaded(transformers.AutoModelForMaskedLM, tmp_path / "ours")
    assert_outputs_close(loaded, again, batch(model))


@pytest.mark.parametrize(
    ("buckets", "longest"), [(256, 512), (256, -1), (9, 40), (32, 777), (5, 7)]
)
def test_distances_fall_into_the_buckets_of_transformers(buckets, longest):
    from transformers.models.deberta_v2 import modeling_deberta_v2 as reference

    settings = {"position_buckets": buckets, "max_relative_positions": longest}
    configuration = DebertaConfig(9, 6, 1, 1, 6, 512, pos_att_type=("c2p",), **settings)
    rows = distance_rows(configuration)
    reach = len(rows) // 2
    distances = torch.arange(-reach, reach + 1)
    last = configuration.longest_distance
    expected = reference.make_log_bucket_position(distances, buckets, last).long()
    assert reach >= 512
    np.testing.assert_array_equal(rows, torch.clamp(expected + buckets, 0, 2 * buckets - 1))


def test_a_deberta_reads_texts_longer_than_its_largest_distance(tmp_path):
    case = "deberta-v2, own positions, two token types"
    model = theirs(case)
    write(model, tmp_path)
    assert_outputs_close(load(tmp_path, with_head=True), model, batch(model, lengths=(40, 1, 33)))


def test_shards_written_by_transformers_load(tmp_path):
    model = theirs("roberta")
    write(model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    assert_outputs_close(load(tmp_path, with_head=True), model, batch(model))


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "shapes").is_dir(), reason="../shared is absent")
def test_the_true_shape_of_klue_roberta_small_agrees(tmp_path):
    shape = SHARED / "shapes" / "klue-roberta-small"
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(shape)
    model = transformers.AutoModelForMaskedLM.from_config(config).eval()
    model.save_pretrained(tmp_path)
    for name in ("vocab.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((shape / name).read_bytes())
    assert_outputs_close(load(tmp_path, with_head=True), model, batch(model, lengths=(48, 17)))


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="../shared is absent")
def test_a_bert_with_sentencepiece_in_half_precision_and_without_head_agrees():
    folder = SHARED / "models" / "e5-small-ko24k"
    loaded = load(folder, with_head=True)
    assert loaded.notes == [FRESH_HEAD]
    model = transformers.AutoModel.from_pretrained(
        folder, add_pooling_layer=False, dtype=torch.float32
    ).eval()
    encoded = loaded.tokenizer(
        ["이순신은 조선의 무신이다.", "한강은 서울을 지나 서해로 흐르는 강이다.", "세종"],
        padding=True,
    )
    inputs = {name: np.array(encoded[name]) for name in ("input_ids", "attention_mask")}
    inputs["token_type_ids"] = np.zeros_like(inputs["input_ids"])
    assert_hidden_close(loaded, model, inputs)
