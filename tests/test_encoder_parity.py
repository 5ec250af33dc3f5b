"""The encoder against transformers on PyTorch: hidden states and masked-LM logits, both ways."""

from pathlib import Path

import keras
import numpy as np
import pytest

from relx.encoder.load import FRESH_HEAD, load_encoder, save_encoder
from relx.encoder.tokenizer import fresh_tokenizer, write_tokenizer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LIMIT = 1e-5
SHARED = Path(__file__).parents[1] / ".." / "shared"
SENTENCES = ["강감찬은 고려의 장군이다.", "세종은 조선의 왕이었다.", "한강은 서울을 지난다."]
SIZES = {
    "vocab_size": 97,
    "hidden_size": 42,
    "num_hidden_layers": 3,
    "num_attention_heads": 7,
    "intermediate_size": 53,
    "max_position_embeddings": 40,
    "layer_norm_eps": 1e-3,
}
# Each case: the architecture, and what differs from SIZES.
CASES = {
    "bert": ("bert", {}),
    "bert, one token type, tanh gelu": ("bert", {"type_vocab_size": 1, "hidden_act": "gelu_new"}),
    "bert, relu": ("bert", {"hidden_act": "relu", "pad_token_id": 3}),
    "roberta": ("roberta", {"type_vocab_size": 1}),
    "roberta, two token types": ("roberta", {"type_vocab_size": 2}),
    "roberta, tanh gelu, padding 3": (
        "roberta",
        {"type_vocab_size": 1, "hidden_act": "gelu_pytorch_tanh", "pad_token_id": 3},
    ),
    "xlm-roberta": ("xlm-roberta", {"type_vocab_size": 1}),
}


def theirs(model_type, settings, seed=0):
    """A random model whose biases, layer norms and token-type rows are not at their start."""
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(model_type, **(SIZES | settings))
    model = transformers.AutoModelForMaskedLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def write(model, folder):
    model.save_pretrained(folder)
    tokenizer = fresh_tokenizer(SENTENCES, 80)
    write_tokenizer(tokenizer, folder, 36, model.config.type_vocab_size)


def batch(model, lengths=(21, 9, 14), seed=0):
    rng = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths))
    mask = (np.arange(shape[1]) < np.array(lengths)[:, None]).astype("int64")
    pad = model.config.pad_token_id
    ids = np.where(mask, rng.integers(5, model.config.vocab_size, shape), pad)
    types = rng.integers(0, model.config.type_vocab_size, shape)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def their_outputs(model, inputs):
    with torch.no_grad():
        outputs = model(
            **{k: torch.tensor(v) for k, v in inputs.items()}, output_hidden_states=True
        )
    return outputs.hidden_states[-1].numpy(), outputs.logits.numpy()


def our_hidden(encoder, inputs):
    names = {"token_ids": "input_ids", "padding_mask": "attention_mask"}
    if encoder.num_segments > 1:
        names["segment_ids"] = "token_type_ids"
    return encoder({ours: inputs[name].astype("int32") for ours, name in names.items()})


def our_outputs(loaded, inputs):
    hidden = our_hidden(loaded.encoder, inputs)
    rows, length = inputs["input_ids"].shape
    everywhere = np.tile(np.arange(length, dtype="int32"), (rows, 1))
    logits = loaded.head(hidden, everywhere)
    return keras.ops.convert_to_numpy(hidden), keras.ops.convert_to_numpy(logits)


def assert_close(ours, expected, inputs, limit=LIMIT):
    """Compares tokens; what stands at padding is nobody's business."""
    inside = inputs["attention_mask"].astype(bool)
    for mine, other in zip(ours, expected, strict=True):
        assert np.abs(mine[inside] - other[inside]).max() < limit


@pytest.mark.parametrize("case", CASES)
def test_hidden_states_and_logits_are_those_of_transformers(case, tmp_path):
    model = theirs(*CASES[case])
    write(model, tmp_path)
    loaded = load_encoder(str(tmp_path), with_head=True, seed=1)
    inputs = batch(model)
    assert loaded.notes == []
    assert_close(our_outputs(loaded, inputs), their_outputs(model, inputs), inputs)


@pytest.mark.parametrize("case", CASES)
def test_transformers_loads_what_is_written_with_every_key(case, tmp_path):
    write(theirs(*CASES[case]), tmp_path / "theirs")
    loaded = load_encoder(str(tmp_path / "theirs"), marker_tokens=["[E1]"], with_head=True, seed=1)
    save_encoder(loaded, tmp_path / "ours", "")
    model, report = transformers.AutoModelForMaskedLM.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert all(not names for names in report.values()), report
    inputs = batch(model.eval())
    assert_close(our_outputs(loaded, inputs), their_outputs(model, inputs), inputs)

    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    text = "[E1]강감찬[E1]은 고려의 장군"
    assert tokenizer(text)["input_ids"] == loaded.tokenizer(text)["input_ids"]
    assert model.config.vocab_size == 97 and len(tokenizer) == len(loaded.tokenizer)


@pytest.mark.parametrize("case", ["bert", "roberta"])
def test_transformers_loads_an_encoder_without_head(case, tmp_path):
    write(theirs(*CASES[case]), tmp_path / "theirs")
    loaded = load_encoder(str(tmp_path / "theirs"), seed=1)
    save_encoder(loaded, tmp_path / "ours", "")
    model, report = transformers.AutoModel.from_pretrained(
        tmp_path / "ours", add_pooling_layer=False, output_loading_info=True
    )
    assert all(not names for names in report.values()), report
    inputs = batch(model.eval())
    with torch.no_grad():
        expected = model(**{k: torch.tensor(v) for k, v in inputs.items()}).last_hidden_state
    hidden = keras.ops.convert_to_numpy(our_hidden(loaded.encoder, inputs))
    assert_close([hidden], [expected.numpy()], inputs)


def test_an_encoder_saved_alone_by_transformers_loads_with_its_pooler_left_out(tmp_path):
    model = theirs("bert", {})
    write(model, tmp_path)
    alone = transformers.BertModel(model.config).eval()
    alone.save_pretrained(tmp_path)
    loaded = load_encoder(str(tmp_path), with_head=True, seed=1)
    assert loaded.notes == [FRESH_HEAD]
    inputs = batch(model)
    with torch.no_grad():
        expected = alone(**{k: torch.tensor(v) for k, v in inputs.items()}).last_hidden_state
    hidden = keras.ops.convert_to_numpy(our_hidden(loaded.encoder, inputs))
    assert_close([hidden], [expected.numpy()], inputs)


def test_pretraining_checkpoints_load_with_their_head(tmp_path):
    model = transformers.BertForPreTraining(transformers.BertConfig(**SIZES)).eval()
    write(model, tmp_path)
    loaded = load_encoder(str(tmp_path), with_head=True, seed=1)
    inputs = batch(model)
    with torch.no_grad():
        outputs = model(**{k: torch.tensor(v) for k, v in inputs.items()})
    expected = outputs.prediction_logits.numpy()
    assert loaded.notes == []
    assert_close(our_outputs(loaded, inputs)[1:], [expected], inputs)


def test_shards_written_by_transformers_load(tmp_path):
    model = theirs("roberta", {"type_vocab_size": 1})
    write(model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    loaded = load_encoder(str(tmp_path), with_head=True, seed=1)
    inputs = batch(model)
    assert_close(our_outputs(loaded, inputs), their_outputs(model, inputs), inputs)


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
    loaded = load_encoder(str(tmp_path), with_head=True, seed=1)
    inputs = batch(model, lengths=(48, 17))
    assert_close(our_outputs(loaded, inputs), their_outputs(model, inputs), inputs)


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="../shared is absent")
def test_a_bert_with_sentencepiece_in_half_precision_and_without_head_agrees():
    folder = SHARED / "models" / "e5-small-ko24k"
    loaded = load_encoder(str(folder), with_head=True, seed=1)
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
    with torch.no_grad():
        expected = model(**{k: torch.tensor(v) for k, v in inputs.items()}).last_hidden_state
    hidden = keras.ops.convert_to_numpy(our_hidden(loaded.encoder, inputs))
    assert_close([hidden], [expected.numpy()], inputs)
