"""Each family against itself: learning, precisions, shapes, saving, and what its config may ask."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from relx.faults import InputError
from relx.models.encoder.architectures.weights import masked_lm_head_weights
from relx.models.encoder.build import ARCHITECTURES, build_encoder, build_head, encoder_weights
from relx.models.encoder.configuration import configuration_from_dict
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.families.registry import FAMILIES, configuration_of
from relx.models.encoder.load import LoadedEncoder, load_encoder, save_encoder
from relx.models.stored.folder import WEIGHTS
from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer, read_tokenizer

SENTENCES = ["강감찬은 고려의 장군이다.", "세종은 조선의 왕이었다.", "한강은 서울을 지난다."]
SIZES = {
    "vocab_size": 61,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 10,
    "max_position_embeddings": 24,
}
DEBERTA = {"relative_attention": True, "pos_att_type": "c2p|p2c", "position_buckets": 6}
# What a config.json of each family holds; DistilBERT has names of its own.
CONFIGS = {
    "bert": SIZES,
    "roberta": SIZES,
    "xlm-roberta": SIZES,
    "electra": SIZES | {"embedding_size": 8},
    "distilbert": {
        **{"vocab_size": 61, "dim": 12, "n_layers": 2, "n_heads": 3},
        **{"hidden_dim": 10, "max_position_embeddings": 24},
    },
    "albert": SIZES | {"embedding_size": 8, "num_hidden_layers": 4, "num_hidden_groups": 2},
    "deberta-v2": SIZES | DEBERTA | {"norm_rel_ebd": "layer_norm"},
    "modernbert": SIZES | {"pad_token_id": 0, "local_attention": 4},
}
EVERY = sorted(CONFIGS)


def configured(model_type, **more):
    values = CONFIGS[model_type] | {"model_type": model_type, "initializer_range": 0.2} | more
    return configuration_from_dict(values, "config.json")


def inputs_of(encoder, size=3, length=7, seed=0):
    rng = np.random.default_rng(seed)
    shape = (size, length)
    mask = (np.arange(length) < np.array([[length], [3], [0]])[:size]).astype("int32")
    inputs = {"token_ids": rng.integers(0, 61, shape).astype("int32"), "padding_mask": mask}
    if encoder.num_segments > 1:
        inputs["segment_ids"] = rng.integers(0, encoder.num_segments, shape).astype("int32")
    return inputs


def with_head(encoder):
    positions = keras.Input((None,), dtype="int32", name="positions")
    logits = build_head(encoder)(encoder.states_at(positions))
    return keras.Model({**encoder.input, "positions": positions}, logits)


def values(variables):
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def test_every_family_says_how_it_is_read_and_how_it_is_built():
    assert EVERY == sorted(FAMILIES) == sorted(ARCHITECTURES)


@pytest.mark.parametrize("model_type", EVERY)
def test_the_public_face_is_the_same(model_type):
    encoder = build_encoder(configured(model_type))
    assert set(encoder.input) - {"segment_ids"} == {"token_ids", "padding_mask"}
    assert ("segment_ids" in encoder.input) == (encoder.num_segments > 1)
    assert encoder(inputs_of(encoder)).shape == (3, 7, 12)
    assert encoder.hidden_dim == 12 and len(encoder.transformer_layers) == 2
    assert encoder.token_embedding.input_dim == 61
    after = 2 if model_type in ("roberta", "xlm-roberta") else 0
    assert encoder.max_sequence_length == 24 - after


@pytest.mark.parametrize("model_type", EVERY)
def test_one_step_changes_every_weight(model_type):
    keras.utils.set_random_seed(0)
    encoder = build_encoder(configured(model_type))
    model = with_head(encoder)
    # A key's bias is the same for all keys and has no gradient but rounding, which Adam scales up.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1, epsilon=1e-12), loss, jit_compile=False)
    before = values(model.trainable_variables)
    inputs = inputs_of(encoder) | {"positions": np.array([[0, 2], [1, 1], [2, 0]], "int32")}
    model.train_on_batch(inputs, np.ones((3, 2), "int32"))
    paths = [variable.path for variable in model.trainable_variables]
    after = values(model.trainable_variables)
    still = [
        path
        for path, old, new in zip(paths, before, after, strict=True)
        if np.array_equal(old, new) or not np.isfinite(new).all()
    ]
    assert len(paths) > 10 and not still


@pytest.mark.parametrize("model_type", EVERY)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_finite_and_near(model_type, policy):
    exact = build_encoder(configured(model_type))
    keras.config.set_dtype_policy(policy)
    try:
        encoder = build_encoder(configured(model_type))
        encoder.set_weights(values(exact.weights))
        inputs = inputs_of(encoder)
        hidden = encoder(inputs)
        logits = build_head(encoder)(hidden)
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(hidden.dtype) == policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert {variable.dtype for variable in encoder.weights} == {"float32"}
    rough = keras.ops.convert_to_numpy(keras.ops.cast(hidden, "float32"))
    assert np.isfinite(rough).all() and np.isfinite(keras.ops.convert_to_numpy(logits)).all()
    inside = inputs["padding_mask"].astype(bool)
    fine = keras.ops.convert_to_numpy(exact(inputs))
    assert np.abs(rough - fine)[inside].max() < 0.1


@pytest.mark.parametrize("model_type", EVERY)
def test_a_compiled_function_takes_any_batch_and_length(model_type):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.function belongs to TensorFlow")
    encoder = build_encoder(configured(model_type))
    shapes = {name: tf.TensorSpec((None, None), "int32", name=name) for name in encoder.input}
    traced = tf.function(encoder, input_signature=[shapes])
    for size, length in ((3, 7), (1, 1), (2, 20)):
        inputs = inputs_of(encoder, size, length)
        np.testing.assert_allclose(traced(inputs), encoder(inputs), atol=2e-5)
    assert traced.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("model_type", EVERY)
def test_padding_changes_no_hidden_state(model_type):
    encoder = build_encoder(configured(model_type))
    inputs = inputs_of(encoder)
    inside = inputs["padding_mask"].astype(bool)
    other = inputs | {"token_ids": np.where(inside, inputs["token_ids"], 3)}
    ours, theirs = (keras.ops.convert_to_numpy(encoder(batch))[inside] for batch in (inputs, other))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("model_type", EVERY)
def test_an_encoder_is_rebuilt_from_its_keras_configuration(model_type, tmp_path):
    encoder = build_encoder(configured(model_type))
    config = json.loads(json.dumps(encoder.get_config()))
    again = type(encoder).from_config(config)
    again.set_weights(values(encoder.weights))
    inputs = inputs_of(encoder)
    np.testing.assert_array_equal(again(inputs), encoder(inputs))
    model = with_head(encoder)
    model.save(tmp_path / "model.keras")
    inputs |= {"positions": np.zeros((3, 2), "int32")}
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs), model(inputs), atol=1e-6)


@pytest.mark.parametrize("model_type", EVERY)
def test_every_variable_is_one_weight_and_comes_back(model_type, tmp_path):
    encoder = build_encoder(configured(model_type))
    head = build_head(encoder)
    rng = np.random.default_rng(0)
    for variable in [*encoder.weights, *head.weights]:
        variable.assign(rng.standard_normal(variable.shape))
    listed = encoder_weights(encoder, 61, 0)
    listed += masked_lm_head_weights(head, encoder.configuration, 61, 0)
    variables = {id(variable) for variable in [*encoder.weights, *head.weights]}
    assert {id(weight.variable) for weight in listed} == variables
    assert len(listed) == len(variables)

    loaded = LoadedEncoder(encoder, head, fresh_tokenizer(SENTENCES, 61), "mine")
    save_encoder(loaded, tmp_path / "first", "")
    again = load_encoder(str(tmp_path / "first"), with_head=True, seed=1)
    assert again.encoder.configuration == encoder.configuration
    assert again.notes == []
    for ours, theirs in zip(values(encoder.weights), values(again.encoder.weights), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    save_encoder(again, tmp_path / "second", "")
    for name in ("config.json", WEIGHTS):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@pytest.mark.parametrize("model_type", EVERY)
def test_a_file_under_the_configuration_of_another_family_is_an_error(model_type, tmp_path):
    encoder = build_encoder(configured(model_type))
    tokenizer = fresh_tokenizer(SENTENCES, 61)
    loaded = LoadedEncoder(encoder, build_head(encoder), tokenizer, "mine")
    save_encoder(loaded, tmp_path / "encoder", "")
    other = "bert" if model_type != "bert" else "electra"
    values = CONFIGS[other] | {"model_type": other}
    (tmp_path / "encoder" / "config.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"another architecture|stay unset") as caught:
        load_encoder(str(tmp_path / "encoder"), with_head=True, seed=1)
    assert "another architecture" in caught.value.faults[0].what
    assert model_type in caught.value.faults[0].received


@pytest.mark.parametrize("model_type", EVERY)
def test_a_configuration_comes_back_from_what_is_written(model_type):
    configuration = configured(model_type)
    written = json.loads(json.dumps(configuration.to_json()))
    assert configuration_from_dict(written, "c") == configuration
    kept = json.loads(json.dumps(configuration.to_dict()))
    assert configuration_of(kept, EncoderConfig) == configuration


@pytest.mark.parametrize(
    ("model_type", "key", "value"),
    [
        ("electra", "embedding_size", 0),
        ("electra", "is_decoder", True),
        ("distilbert", "n_heads", 5),
        ("distilbert", "activation", "quick_gelu"),
        ("distilbert", "attention_dropout", 1.0),
        ("albert", "num_hidden_groups", 5),
        ("albert", "inner_group_num", 0),
        ("deberta-v2", "relative_attention", False),
        ("deberta-v2", "conv_kernel_size", 3),
        ("deberta-v2", "attention_head_size", 8),
        ("deberta-v2", "pos_att_type", "c2p|p2p"),
        ("deberta-v2", "pos_att_type", []),
        ("deberta-v2", "norm_rel_ebd", "batch_norm"),
        ("deberta-v2", "position_buckets", 2),
        ("deberta-v2", "position_buckets", 90),
        ("deberta-v2", "type_vocab_size", -1),
        ("modernbert", "num_attention_heads", 4),
        ("modernbert", "hidden_activation", "quick_gelu"),
        ("modernbert", "layer_types", ["full_attention"]),
        ("modernbert", "layer_types", ["full_attention", "causal"]),
        ("modernbert", "rope_parameters", {"full_attention": {"rope_type": "yarn"}}),
        ("modernbert", "rope_scaling", {"factor": 2.0}),
        ("modernbert", "global_rope_theta", "big"),
        ("modernbert", "norm_bias", 1),
    ],
)
def test_what_an_architecture_cannot_do_is_an_error_and_never_ignored(model_type, key, value):
    with pytest.raises(InputError, match=key) as caught:
        configured(model_type, **{key: value})
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].where == f"config.json: {key}"


def test_settings_that_do_not_fit_each_other_are_named():
    single = {"position_biased_input": False, "type_vocab_size": 1}
    with pytest.raises(InputError, match="single token type"):
        configured("deberta-v2", **single)
    with pytest.raises(InputError, match="embeddings of the hidden size"):
        configured("deberta-v2", legacy=False, embedding_size=8)


def test_what_config_json_is_silent_about_is_what_transformers_takes():
    assert configured("albert").hidden_act == "gelu_new"
    assert configured("deberta-v2").layer_norm_eps == 1e-7
    assert configured("deberta-v2").type_vocab_size == 0
    modern = configured("modernbert", num_hidden_layers=4)
    assert modern.layer_types == ("full_attention", *["sliding_attention"] * 2, "full_attention")
    assert (modern.rope_theta(0), modern.rope_theta(1)) == (160_000.0, 10_000.0)
    missing = {k: v for k, v in CONFIGS["electra"].items() if k != "embedding_size"}
    electra = configuration_from_dict(missing | {"model_type": "electra"}, "c")
    assert electra.embedding_width == 128


def test_old_and_new_spellings_of_modernbert_are_one():
    old = {"global_attn_every_n_layers": 2, "global_rope_theta": 80.0, "local_rope_theta": 70.0}
    new = {
        "layer_types": ["full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 80.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 70.0},
        },
    }
    assert configured("modernbert", **old) == configured("modernbert", **new)
    written = configured("modernbert", **new).to_json()
    assert {key: written[key] for key in old} == old
    assert json.loads(json.dumps({key: written[key] for key in new})) == new


def test_alberts_layers_share_weights_by_group():
    configuration = configured("albert", num_hidden_layers=5, inner_group_num=2)
    assert configuration.layer_sequence == (0, 1, 0, 1, 0, 1, 2, 3, 2, 3)
    assert len(build_encoder(configuration).transformer_layers) == 4


def test_local_attention_sees_its_window_and_no_more():
    local = configured(
        "modernbert", num_hidden_layers=1, layer_types=["sliding_attention"], local_attention=4
    )
    encoder = build_encoder(local)
    inputs = inputs_of(encoder, size=1)
    other = inputs | {"token_ids": inputs["token_ids"].copy()}
    other["token_ids"][0, 6] = (other["token_ids"][0, 6] + 1) % 61
    moved = np.abs(encoder(inputs) - encoder(other))[0].max(axis=-1)
    assert (moved[:4] == 0).all() and (moved[4:] > 0).all()


@pytest.mark.parametrize("model_type", EVERY)
def test_states_at_some_positions_and_their_gradients_are_those_of_the_whole(model_type):
    """With every dropout at 0; a position that is asked for twice counts twice."""
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    off = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    encoder = build_encoder(dataclasses.replace(configured(model_type), **off))
    positions = np.array([[6, 0, 6], [2, 1, 0], [3, 3, 5]], "int32")
    places = keras.Input((None,), dtype="int32", name="places")
    model = keras.Model({**encoder.input, "places": places}, encoder.states_at(places))
    inputs = inputs_of(encoder)
    inputs["padding_mask"][2] = 1
    variables = [variable.value for variable in encoder.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        some = model(inputs | {"places": positions}, training=True)
        whole = tf.gather(encoder(inputs, training=True), positions, batch_dims=1)
        losses = [tf.reduce_sum(tf.sin(7 * states)) for states in (some, whole)]
    assert np.abs(some - whole).max() < 1e-5
    for ours, theirs in zip(*(tape.gradient(loss, variables) for loss in losses), strict=True):
        ours, theirs = (tf.convert_to_tensor(gradient) for gradient in (ours, theirs))
        assert np.abs(ours - theirs).max() < 1e-5 * max(1.0, np.abs(theirs).max())


@pytest.mark.parametrize("model_type", EVERY)
@pytest.mark.parametrize("rate", ["hidden_dropout_prob", "attention_probs_dropout_prob"])
def test_each_dropout_acts_in_training_alone(model_type, rate):
    rate = "embedding_dropout" if (model_type, rate[0]) == ("modernbert", "h") else rate
    off = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    encoder = build_encoder(dataclasses.replace(configured(model_type), **off | {rate: 0.5}))
    inputs = inputs_of(encoder)
    still, again = encoder(inputs, training=False), encoder(inputs, training=False)
    np.testing.assert_array_equal(still, again)
    assert not np.array_equal(still, encoder(inputs, training=True))


def test_a_head_fits_a_configuration_that_changes_nothing_but_its_rows():
    configuration = configured("modernbert", decoder_bias=False, classifier_bias=True)
    wide = dataclasses.replace(configuration, vocab_size=70)
    head = build_head(build_encoder(wide))
    assert head.bias is None and head.dense.bias is not None and head.layer_norm.beta is None
    assert type(head).from_config(head.get_config()).get_config() == head.get_config()


def test_a_deberta_has_its_sentencepiece(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    special = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
    ids = {f"{name}_id": index for index, name in enumerate(special)}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_prefix=str(tmp_path / "spm"),
        vocab_size=40,
        hard_vocab_limit=False,
        **ids,
        **{f"{name}_piece": piece for name, piece in special.items()},
    )
    (tmp_path / "spm.vocab").unlink()
    tokenizer = read_tokenizer(tmp_path)
    reference = sentencepiece.SentencePieceProcessor(str(tmp_path / "spm.model"))
    text = "고려의 왕"
    assert tokenizer(text)["input_ids"] == [1, *reference.encode(text), 2]
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (0, reference.get_piece_size())


def test_a_bias_that_the_configuration_denies_is_an_error(tmp_path):
    encoder = build_encoder(configured("modernbert"))
    loaded = LoadedEncoder(encoder, build_head(encoder), fresh_tokenizer(SENTENCES, 61), "mine")
    save_encoder(loaded, tmp_path / "encoder", "")
    path = tmp_path / "encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"decoder_bias": False}))
    with pytest.raises(InputError, match="no place") as caught:
        load_encoder(str(tmp_path / "encoder"), with_head=True, seed=1)
    assert caught.value.faults[0].received == "decoder.bias"
    assert load_encoder(str(tmp_path / "encoder"), seed=1).head is None
