"""KerasHub presets, made tiny here and saved with save_to_preset."""

import json

import keras
import keras_hub
import numpy as np
import pytest

from relx.faults import InputError
from relx.models.encoder.load import FRESH_HEAD, load_encoder, save_encoder

pytest.importorskip("tensorflow_text", reason="keras_hub's tokenizers need tensorflow-text")

SIZES = {"num_layers": 2, "num_heads": 3, "hidden_dim": 12, "intermediate_dim": 20}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "고려", "##의", "장군", "."]
BYTES = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "Ġ", "ab", "Ġab", "<mask>"]


def disturb(backbone):
    rng = np.random.default_rng(0)
    for variable in backbone.weights:
        noise = 0.1 * rng.standard_normal(variable.shape)
        variable.assign(keras.ops.convert_to_numpy(variable) + noise.astype("float32"))
    return backbone


@pytest.fixture
def bert(tmp_path):
    backbone = disturb(
        keras_hub.models.BertBackbone(vocabulary_size=9, max_sequence_length=16, **SIZES)
    )
    backbone.save_to_preset(tmp_path / "bert")
    keras_hub.models.BertTokenizer(vocabulary=WORDS).save_to_preset(tmp_path / "bert")
    return tmp_path / "bert", backbone


@pytest.fixture
def roberta(tmp_path):
    backbone = disturb(
        keras_hub.models.RobertaBackbone(vocabulary_size=10, max_sequence_length=16, **SIZES)
    )
    backbone.save_to_preset(tmp_path / "roberta")
    vocabulary = {piece: index for index, piece in enumerate(BYTES)}
    keras_hub.models.RobertaTokenizer(vocabulary, ["a b", "Ġ ab"]).save_to_preset(
        tmp_path / "roberta"
    )
    return tmp_path / "roberta", backbone


def batch(segments):
    rng = np.random.default_rng(0)
    inputs = {"token_ids": rng.integers(0, 9, (2, 6)), "padding_mask": np.ones((2, 6), int)}
    inputs["padding_mask"][1, 4:] = 0
    if segments > 1:
        inputs["segment_ids"] = rng.integers(0, 2, (2, 6))
    return {name: values.astype("int32") for name, values in inputs.items()}


@pytest.mark.parametrize("prefix", ["", "keras:"])
def test_a_bert_preset_computes_the_same(bert, prefix):
    folder, backbone = bert
    loaded = load_encoder(f"{prefix}{folder}", with_head=True, seed=1)
    inputs = batch(2)
    np.testing.assert_allclose(
        loaded.encoder(inputs), backbone(inputs)["sequence_output"], atol=1e-6
    )
    assert loaded.notes == [FRESH_HEAD]
    ids = loaded.tokenizer("고려의 장군.")["input_ids"]
    assert loaded.tokenizer.convert_ids_to_tokens(ids) == [
        "[CLS]", "고려", "##의", "장군", ".", "[SEP]",
    ]  # fmt: skip


def test_a_roberta_preset_computes_the_same_and_goes_to_a_folder(roberta, tmp_path):
    folder, backbone = roberta
    loaded = load_encoder(str(folder), marker_tokens=["[E1]"], seed=1)
    inputs = batch(1)
    np.testing.assert_allclose(loaded.encoder(inputs), backbone(inputs), atol=1e-6)
    ids = loaded.tokenizer("ab ab<mask>")["input_ids"]
    assert loaded.tokenizer.convert_ids_to_tokens(ids) == ["<s>", "ab", "Ġab", "<mask>", "</s>"]
    save_encoder(loaded, tmp_path / "folder", "")
    again = load_encoder(str(tmp_path / "folder"), seed=1)
    np.testing.assert_array_equal(again.encoder(inputs), loaded.encoder(inputs))
    assert again.encoder.configuration.vocab_size == 11


def test_an_xlm_roberta_preset_has_its_sentencepiece(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["고려의 장군", "조선의 왕", "서울의 한강"] * 20),
        model_prefix=str(tmp_path / "spm"),
        vocab_size=24,
        model_type="unigram",
        unk_id=0,
        bos_id=1,
        eos_id=2,
        hard_vocab_limit=False,
    )
    tokenizer = keras_hub.models.XLMRobertaTokenizer(str(tmp_path / "spm.model"))
    backbone = disturb(
        keras_hub.models.XLMRobertaBackbone(
            vocabulary_size=tokenizer.vocabulary_size(), max_sequence_length=16, **SIZES
        )
    )
    backbone.save_to_preset(tmp_path / "preset")
    tokenizer.save_to_preset(tmp_path / "preset")
    loaded = load_encoder(str(tmp_path / "preset"), seed=1)
    text = "고려의 왕"
    inside = loaded.tokenizer(text)["input_ids"][1:-1]
    assert inside == [int(i) for i in tokenizer(text)]
    assert loaded.tokenizer.mask_token_id == tokenizer.mask_token_id
    assert loaded.encoder.configuration.model_type == "xlm-roberta"
    inputs = batch(1)
    np.testing.assert_allclose(loaded.encoder(inputs), backbone(inputs), atol=1e-6)


def test_a_preset_of_another_kind_is_an_error(bert):
    folder, _ = bert
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"class_name": "GemmaBackbone"}))
    with pytest.raises(InputError, match="GemmaBackbone"):
        load_encoder(f"keras:{folder}", seed=1)


def test_a_preset_without_weights_is_an_error(bert):
    folder, _ = bert
    (folder / "model.weights.h5").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        load_encoder(f"keras:{folder}", seed=1)


def test_a_preset_without_its_vocabulary_is_an_error(bert):
    folder, _ = bert
    (folder / "assets" / "tokenizer" / "vocabulary.txt").unlink()
    with pytest.raises(InputError, match=r"without vocabulary\.txt"):
        load_encoder(f"keras:{folder}", seed=1)


def test_a_preset_that_does_not_exist_is_an_error_with_the_nearest():
    with pytest.raises(InputError, match="did you mean keras:bert_tiny_en_uncased"):
        load_encoder("keras:bert_tiny_uncased", seed=1)


def test_a_preset_that_cannot_be_fetched_says_how_to_name_a_folder(monkeypatch):
    import kagglehub

    def unreachable(_):
        raise OSError("no route to host")

    monkeypatch.setattr(kagglehub, "model_download", unreachable)
    with pytest.raises(InputError, match=r"--set encoder\.from=FOLDER"):
        load_encoder("keras:bert_tiny_en_uncased", seed=1)
