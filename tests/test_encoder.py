"""The encoder against itself: building, loading, writing, growing, and what must be refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from relx.faults import InputError
from relx.models.encoder.architectures.bert import Encoder
from relx.models.encoder.architectures.weights import NEW_ROW_NOISE, extend_table
from relx.models.encoder.build import build_encoder, build_head
from relx.models.encoder.families.bert import BertConfig
from relx.models.encoder.families.roberta import XlmRobertaConfig
from relx.models.encoder.load import FRESH_HEAD, LoadedEncoder, load_encoder, save_encoder
from relx.models.stored.folder import INDEX, WEIGHTS
from relx.models.stored.tokenizers.tokenizer import (
    fresh_tokenizer,
    read_tokenizer,
    tokenizer_digest,
)
from relx.recipe import FreshSizes, FreshSource

SENTENCES = ["강감찬은 고려의 장군이다.", "세종은 조선의 왕이었다.", "한강은 서울을 지난다."] * 3


def fresh(architecture="bert", **sizes):
    sizes = {"layers": 2, "hidden": 12, "heads": 3, "intermediate": 20, "positions": 24} | sizes
    sizes |= {"vocabulary": 61, "architecture": architecture}
    return FreshSource(fresh=FreshSizes(**sizes))


def loaded_fresh(architecture="bert", seed=7, **sizes):
    loaded = load_encoder(
        fresh(architecture, **sizes), sentences=lambda: SENTENCES, with_head=True, seed=seed
    )
    disturb(loaded)
    return loaded


def disturb(loaded, seed=5):
    """Gives every weight a value of its own: zeros and ones would hide what is mixed up."""
    rng = np.random.default_rng(seed)
    for variable in [*loaded.encoder.weights, *loaded.head.weights]:
        noise = 0.1 * rng.standard_normal(variable.shape)
        variable.assign(keras.ops.convert_to_numpy(variable) + noise.astype("float32"))


def values(layer):
    return [keras.ops.convert_to_numpy(variable) for variable in layer.weights]


def batch(encoder, seed=0, size=3, length=9):
    rng = np.random.default_rng(seed)
    shape = (size, length)
    mask = (np.arange(length) < np.array([[length], [5], [7]])[:size]).astype("int32")
    rows = encoder.configuration.vocab_size
    inputs = {"token_ids": rng.integers(0, rows, shape).astype("int32"), "padding_mask": mask}
    if encoder.num_segments > 1:
        inputs["segment_ids"] = rng.integers(0, encoder.num_segments, shape).astype("int32")
    return inputs


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(params=["bert", "roberta"])
def folder(request, tmp_path):
    save_encoder(loaded_fresh(request.param), tmp_path / "encoder", "a card\n")
    return tmp_path / "encoder"


def rewrite(folder, change):
    tensors = load_file(folder / WEIGHTS)
    save_file(change(dict(tensors)), folder / WEIGHTS)


def test_an_encoder_comes_back_bit_for_bit_and_writes_the_same_bytes(folder, tmp_path):
    loaded = load_encoder(str(folder), with_head=True, seed=1)
    original = loaded_fresh(loaded.encoder.configuration.model_type)
    assert loaded.encoder.configuration == original.encoder.configuration
    for ours, theirs in zip(values(original.encoder), values(loaded.encoder), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(values(original.head), values(loaded.head), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert tokenizer_digest(loaded.tokenizer) == tokenizer_digest(original.tokenizer)
    assert loaded.notes == []
    save_encoder(loaded, tmp_path / "again", "a card\n")
    assert contents(tmp_path / "again") == contents(folder)


def test_inputs_and_sizes_follow_the_token_types():
    bert, roberta = loaded_fresh("bert").encoder, loaded_fresh("roberta").encoder
    assert set(bert.input) == {"token_ids", "padding_mask", "segment_ids"}
    assert set(roberta.input) == {"token_ids", "padding_mask"}
    assert bert.max_sequence_length == roberta.max_sequence_length == 24
    assert roberta.configuration.max_position_embeddings == 25  # [PAD] is 0 here
    for encoder in (bert, roberta):
        assert encoder(batch(encoder)).shape == (3, 9, 12)
        assert (encoder.hidden_dim, len(encoder.transformer_layers)) == (12, 2)


def test_padding_changes_no_hidden_state():
    encoder = loaded_fresh("roberta").encoder
    inputs = batch(encoder)
    other = inputs | {"token_ids": np.where(inputs["padding_mask"], inputs["token_ids"], 3)}
    inside = inputs["padding_mask"].astype(bool)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(encoder(inputs))[inside],
        keras.ops.convert_to_numpy(encoder(other))[inside],
    )


def test_an_encoder_is_rebuilt_from_its_keras_configuration(tmp_path):
    loaded = loaded_fresh("roberta")
    again = Encoder.from_config(loaded.encoder.get_config())
    again.set_weights(values(loaded.encoder))
    inputs = batch(again)
    np.testing.assert_array_equal(again(inputs), loaded.encoder(inputs))
    model = keras.Model(loaded.encoder.input, loaded.encoder.output)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.saving.load_model(tmp_path / "model.keras")(inputs), again(inputs)
    )


def test_a_head_is_rebuilt_from_its_keras_configuration():
    head = loaded_fresh().head
    again = type(head).from_config(head.get_config())
    again.build((None, None, 12))
    assert [v.shape for v in again.weights] == [v.shape for v in head.weights]


def test_an_encoder_built_without_a_checkpoint_starts_random_and_each_layer_apart():
    encoder = Encoder(BertConfig(50, 12, 2, 3, 20, 24))
    first, second = (layer.get_weights()[0] for layer in encoder.transformer_layers)
    assert first.std() > 0.01 and not np.array_equal(first, second)
    query, key = encoder.transformer_layers[0].get_weights()[0:4:2]
    assert not np.array_equal(query, key)


def test_logits_are_float32_under_every_precision():
    for policy in ("mixed_bfloat16", "mixed_float16", "float32"):
        keras.config.set_dtype_policy(policy)
        try:
            loaded = loaded_fresh("roberta")
            hidden = loaded.encoder(batch(loaded.encoder))
            logits = loaded.head(hidden)
        finally:
            keras.config.set_dtype_policy("float32")
        assert keras.backend.standardize_dtype(hidden.dtype) == policy.removeprefix("mixed_")
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"
        assert {v.dtype for v in loaded.encoder.weights + loaded.head.weights} == {"float32"}


def test_the_head_scores_each_hidden_state_alone():
    loaded = loaded_fresh("bert")
    hidden = keras.ops.convert_to_numpy(loaded.encoder(batch(loaded.encoder)))
    every = keras.ops.convert_to_numpy(loaded.head(hidden))
    assert every.shape == (3, 9, loaded.encoder.configuration.vocab_size)
    some = keras.ops.convert_to_numpy(loaded.head(hidden[:, [8, 0]]))
    np.testing.assert_allclose(some, every[:, [8, 0]], atol=1e-6)


def test_a_model_with_encoder_and_head_has_the_token_table_once():
    loaded = loaded_fresh("roberta")
    positions = keras.Input((None,), dtype="int32", name="positions")
    logits = loaded.head(loaded.encoder.states_at(positions))
    model = keras.Model({**loaded.encoder.input, "positions": positions}, logits)
    paths = [variable.path for variable in model.trainable_variables]
    assert len(paths) == len(loaded.encoder.weights) + 5
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = keras.ops.convert_to_numpy(loaded.encoder.token_embedding.embeddings).copy()
    inputs = batch(loaded.encoder) | {"positions": np.zeros((3, 2), "int32")}
    model.train_on_batch(inputs, np.ones((3, 2), "int32"))
    assert not np.array_equal(before, loaded.encoder.token_embedding.embeddings)


def test_fresh_weights_follow_the_seed_alone():
    first = load_encoder(fresh(), sentences=lambda: SENTENCES, with_head=True, seed=3)
    keras.utils.set_random_seed(99)
    again = load_encoder(fresh(), sentences=lambda: SENTENCES, with_head=True, seed=3)
    other = load_encoder(fresh(), sentences=lambda: SENTENCES, seed=4)
    for ours, theirs in zip(values(first.encoder), values(again.encoder), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(first.head.dense.kernel, again.head.dense.kernel)
    assert not np.array_equal(values(first.encoder)[0], values(other.encoder)[0])
    assert other.head is None and first.source == "fresh"


def test_fresh_weights_are_a_truncated_normal():
    encoder = load_encoder(fresh(hidden=60, layers=1), sentences=lambda: SENTENCES, seed=3).encoder
    kernel = encoder.transformer_layers[0].get_weights()[0]
    assert np.abs(kernel).max() <= 0.04 and 0.015 < kernel.std() < 0.02
    norm = encoder.embeddings_layer_norm
    assert (norm.gamma.numpy() == 1).all() and (norm.beta.numpy() == 0).all()


def test_a_checkpoint_without_head_says_that_a_fresh_one_starts(tmp_path):
    loaded = loaded_fresh("bert")
    save_encoder(dataclasses.replace(loaded, head=None), tmp_path / "bare", "")
    names = set(load_file(tmp_path / "bare" / WEIGHTS))
    assert "embeddings.word_embeddings.weight" in names and not any("cls" in n for n in names)
    again = load_encoder(str(tmp_path / "bare"), with_head=True, seed=1)
    assert again.notes == [FRESH_HEAD]
    assert 0 < np.abs(again.head.dense.kernel.numpy()).max() <= 0.04
    assert load_encoder(str(tmp_path / "bare"), seed=1).notes == []
    for ours, theirs in zip(values(loaded.encoder), values(again.encoder), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_head_that_is_not_asked_for_is_passed_over(folder):
    loaded = load_encoder(str(folder), seed=1)
    assert loaded.head is None and loaded.notes == []


def test_markers_grow_the_embedding_and_the_tied_head(folder, tmp_path):
    markers = ["[E1]", "[/E1]", "[E2]"]
    plain = load_encoder(str(folder), with_head=True, seed=1)
    wide = load_encoder(str(folder), marker_tokens=markers, with_head=True, seed=1)
    rows = plain.encoder.configuration.vocab_size
    assert wide.encoder.configuration.vocab_size == rows + 3 == len(wide.tokenizer)
    table = keras.ops.convert_to_numpy(wide.encoder.token_embedding.embeddings)
    old = keras.ops.convert_to_numpy(plain.encoder.token_embedding.embeddings)
    np.testing.assert_array_equal(table[:rows], old)
    assert np.abs(table[rows:] - old.mean(axis=0)).max() < 6 * NEW_ROW_NOISE * old.std()
    assert len(np.unique(table[rows:], axis=0)) == 3
    bias = keras.ops.convert_to_numpy(wide.head.bias)
    np.testing.assert_allclose(bias[rows:], plain.head.bias.numpy().mean(), atol=1e-7)
    assert "3 marker tokens are new" in wide.notes[0]

    save_encoder(wide, tmp_path / "wide", "")
    again = load_encoder(str(tmp_path / "wide"), marker_tokens=markers, with_head=True, seed=9)
    np.testing.assert_array_equal(again.encoder.token_embedding.embeddings, table)
    assert again.notes == []


def test_a_tokenizer_that_has_the_markers_already_gives_the_same_encoder(folder):
    first = load_encoder(str(folder), marker_tokens=["[E1]"], seed=1)
    tokenizer = first.tokenizer
    second = load_encoder(str(folder), tokenizer=tokenizer, marker_tokens=["[E1]"], seed=1)
    for ours, theirs in zip(values(first.encoder), values(second.encoder), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert second.tokenizer is tokenizer


def test_new_rows_are_seeded():
    table = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")
    np.testing.assert_array_equal(extend_table(table, 7, seed=1), extend_table(table, 7, seed=1))
    assert not np.array_equal(extend_table(table, 7, seed=1), extend_table(table, 7, seed=2))
    assert extend_table(table, 5, seed=1) is table


def test_a_tokenizer_larger_than_the_embedding_is_an_error(folder):
    larger = fresh_tokenizer([*SENTENCES, "임진왜란 거북선 한산도"], 90)
    with pytest.raises(InputError, match="no row for"):
        load_encoder(str(folder), tokenizer=larger, seed=1)


def test_an_embedding_with_rows_to_spare_is_fine(folder):
    smaller = fresh_tokenizer(SENTENCES, 50)
    loaded = load_encoder(str(folder), tokenizer=smaller, marker_tokens=["[E1]"], seed=1)
    assert loaded.encoder.configuration.vocab_size == 61 and loaded.notes == []


def test_half_precision_files_are_read_exactly(folder):
    import ml_dtypes

    exact = load_file(folder / WEIGHTS)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        rewrite(folder, lambda _, to=dtype: {k: v.astype(to) for k, v in exact.items()})
        table = load_encoder(str(folder), seed=1).encoder.token_embedding.embeddings
        name = next(key for key in exact if key.endswith("word_embeddings.weight"))
        np.testing.assert_array_equal(table, exact[name].astype(dtype).astype("float32"))


def test_old_names_of_layer_norms_and_bare_names_are_read(folder):
    original = load_encoder(str(folder), with_head=True, seed=1)

    def renamed(tensors):
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        names = {key: key.removeprefix("bert.").removeprefix("roberta.") for key in tensors}
        for today, then in old.items():
            names = {key: name.replace(today, then) for key, name in names.items()}
        return {names[key]: tensor for key, tensor in tensors.items()}

    rewrite(folder, renamed)
    again = load_encoder(str(folder), with_head=True, seed=1)
    for ours, theirs in zip(values(original.encoder), values(again.encoder), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(original.head.layer_norm.gamma, again.head.layer_norm.gamma)


def test_shards_are_read_like_one_file(folder):
    original = values(load_encoder(str(folder), seed=1).encoder)
    split_in_two(folder)
    again = values(load_encoder(str(folder), seed=1).encoder)
    for ours, theirs in zip(original, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def split_in_two(folder):
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(tensors)
    places = {}
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({key: tensors[key] for key in part}, folder / f"part-{number}.safetensors")
        places |= dict.fromkeys(part, f"part-{number}.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))


def test_a_missing_shard_is_an_error(folder):
    split_in_two(folder)
    (folder / "part-1.safetensors").unlink()
    with pytest.raises(InputError, match=r"part-1\.safetensors"):
        load_encoder(str(folder), seed=1)


def test_a_shard_without_its_tensors_is_an_error(folder):
    split_in_two(folder)
    shutil.copy(folder / "part-0.safetensors", folder / "part-1.safetensors")
    with pytest.raises(InputError, match="in no shard"):
        load_encoder(str(folder), seed=1)


def test_a_truncated_file_is_an_error(folder):
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a complete safetensors file"):
        load_encoder(str(folder), seed=1)


def test_weights_that_would_stay_unset_are_named(folder):
    def without(tensors):
        return {k: v for k, v in tensors.items() if "layer.1.output.dense" not in k}

    rewrite(folder, without)
    with pytest.raises(InputError, match=r"stay unset") as caught:
        load_encoder(str(folder), seed=1)
    assert "encoder.layer.1.output.dense.bias" in caught.value.faults[0].received


def test_tensors_without_a_place_are_named(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    with pytest.raises(InputError, match="no place") as caught:
        load_encoder(str(folder), seed=1)
    assert "encoder.layer.1." in caught.value.faults[0].received


def test_another_shape_than_the_configuration_says_is_named(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 24}))
    with pytest.raises(InputError, match="does not have the shape") as caught:
        load_encoder(str(folder), seed=1)
    assert {fault.received for fault in caught.value.faults} == {"(20,)", "(20, 12)", "(12, 20)"}


def test_a_head_of_which_a_part_is_missing_is_an_error(folder):
    rewrite(folder, lambda t: {k: v for k, v in t.items() if not k.endswith("predictions.bias")})
    rewrite(folder, lambda t: {k: v for k, v in t.items() if k != "lm_head.bias"})
    with pytest.raises(InputError, match=r"(predictions|lm_head)\.bias"):
        load_encoder(str(folder), with_head=True, seed=1)


def test_weights_of_another_architecture_are_an_error_and_never_a_random_encoder(folder):
    config = json.loads((folder / "config.json").read_text())
    other = {"bert": "roberta", "roberta": "bert"}[config["model_type"]]
    (folder / "config.json").write_text(json.dumps(config | {"model_type": other}))
    with pytest.raises(InputError, match="another architecture") as caught:
        load_encoder(str(folder), with_head=True, seed=1)
    assert len(caught.value.faults) == 1


def test_pooler_buffers_and_a_tied_copy_are_known(folder):
    def more(tensors):
        prefix = next(iter(tensors)).split(".")[0] + "."
        prefix = "bert." if any(k.startswith("bert.") for k in tensors) else "roberta."
        words = tensors[prefix + "embeddings.word_embeddings.weight"]
        decoder = "cls.predictions.decoder" if prefix == "bert." else "lm_head.decoder"
        bias = "cls.predictions.bias" if prefix == "bert." else "lm_head.bias"
        tensors[prefix + "pooler.dense.weight"] = np.ones((12, 12), "float32")
        tensors[prefix + "pooler.dense.bias"] = np.ones(12, "float32")
        tensors[prefix + "embeddings.position_ids"] = np.arange(24)[None]
        tensors[f"{decoder}.weight"] = words.copy()
        tensors[f"{decoder}.bias"] = tensors.pop(bias)
        return tensors

    original = load_encoder(str(folder), with_head=True, seed=1)
    rewrite(folder, more)
    again = load_encoder(str(folder), with_head=True, seed=1)
    np.testing.assert_array_equal(again.head.bias, original.head.bias)
    assert again.notes == []


def test_an_untied_head_is_an_error_where_the_head_is_wanted(folder):
    def untied(tensors):
        bert = any(key.startswith("bert.") for key in tensors)
        decoder = "cls.predictions.decoder" if bert else "lm_head.decoder"
        tensors[f"{decoder}.weight"] = np.ones((61, 12), "float32")
        return tensors

    rewrite(folder, untied)
    with pytest.raises(InputError, match="not tied"):
        load_encoder(str(folder), with_head=True, seed=1)
    assert load_encoder(str(folder), seed=1).head is None


def test_a_single_token_type_goes_into_the_positions_and_never_into_the_token_table(tmp_path):
    save_encoder(loaded_fresh("roberta"), tmp_path / "encoder", "")
    original = load_encoder(str(tmp_path / "encoder"), seed=1).encoder
    row = np.linspace(-1, 1, 12, dtype="float32")[None]

    def with_row(tensors):
        return tensors | {"roberta.embeddings.token_type_embeddings.weight": row}

    rewrite(tmp_path / "encoder", with_row)
    folded = load_encoder(str(tmp_path / "encoder"), seed=1).encoder
    np.testing.assert_array_equal(
        folded.token_embedding.embeddings, original.token_embedding.embeddings
    )
    np.testing.assert_array_equal(
        folded.position_embedding.position_embeddings,
        original.position_embedding.position_embeddings.numpy() + row,
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [([], "no weights"), (["pytorch_model.bin"], "pickle"), ([INDEX], "no weight_map")],
)
def test_a_folder_without_readable_weights_is_an_error(folder, files, message):
    (folder / WEIGHTS).unlink()
    for name in files:
        (folder / name).write_text("{}")
    with pytest.raises(InputError, match=message) as caught:
        load_encoder(str(folder), seed=1)
    assert caught.value.faults[0].next_step or files == [INDEX]


def test_a_folder_without_configuration_is_an_error(folder):
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json"):
        load_encoder(str(folder), seed=1)


@pytest.mark.parametrize("source", ["./nowhere", "/no/such/folder", "a/b/c", "~/nowhere-at-all"])
def test_a_folder_that_does_not_exist_is_an_error(source):
    with pytest.raises(InputError, match="no such folder"):
        load_encoder(source, seed=1)


def test_a_file_is_no_encoder(folder):
    with pytest.raises(InputError, match="an encoder is a folder"):
        load_encoder(str(folder / WEIGHTS), seed=1)


def test_a_hub_id_that_cannot_be_fetched_says_how_to_name_a_folder(monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(InputError, match=r"--set encoder\.from=FOLDER") as caught:
        load_encoder("nobody/there-is-no-such-model", seed=1)
    assert "no route to host" in caught.value.faults[0].received


def test_a_hub_id_is_loaded_from_the_folder_that_the_hub_gives(folder, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(folder))
    hub_id = f"somebody/{folder.parent.name}"  # what was fetched once is not asked for again
    loaded = load_encoder(hub_id, seed=1)
    assert loaded.source == hub_id
    assert loaded.encoder.configuration.vocab_size == 61


def test_a_full_disk_leaves_the_old_folder(folder, monkeypatch):
    import errno

    before = contents(folder)
    loaded = load_encoder(str(folder), with_head=True, seed=1)
    disturb(loaded)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("relx.models.encoder.load.write_checkpoint", full)
    with pytest.raises(InputError, match="disk is full"):
        save_encoder(loaded, folder, "")
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["encoder"]


def test_the_card_is_written(folder):
    assert (folder / "README.md").read_text() == "a card\n"
    assert read_tokenizer(folder).model_max_length == 24


def test_loading_works_inside_a_distribution_scope(folder, tmp_path):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.distribute belongs to TensorFlow")
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        loaded = load_encoder(str(folder), with_head=True, seed=1)
    save_encoder(loaded, tmp_path / "again", "a card\n")
    assert contents(tmp_path / "again") == contents(folder)


def test_a_loaded_encoder_can_be_put_together_by_hand(tmp_path):
    configuration = XlmRobertaConfig(61, 12, 1, 2, 20, 26, 1, pad_token_id=1)
    encoder = build_encoder(configuration)
    tokenizer = fresh_tokenizer(SENTENCES, 61)
    save_encoder(
        LoadedEncoder(encoder, build_head(encoder), tokenizer, "mine"), tmp_path / "mine", ""
    )
    config = json.loads(Path(tmp_path / "mine" / "config.json").read_text())
    assert config["architectures"] == ["XLMRobertaForMaskedLM"]
