"""Few-bit weights that are kept: the same to the bit, and made anew where they are not whole."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from keras import ops

from relx.models.decoder.files import kept, load
from relx.models.decoder.files.load import load_decoder
from tests.decoder_models import reference_model, write_reference

torch = pytest.importorskip("torch")


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_LEAST", 0)
    write_reference("gpt_neox", tmp_path / "base")
    return tmp_path / "base"


def weights(base, folder, format_="nf4"):
    decoder = load_decoder(base, format_, kept=folder).decoder
    return {name: ops.convert_to_numpy(v) for name, v in kept._frozen(decoder).items()}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def refuse_to_fill(monkeypatch):
    def fill(*_):
        raise AssertionError("the base's files were read")

    monkeypatch.setattr(load, "fill_decoder", fill)


@pytest.mark.parametrize("format_", ["int8", "nf4"])
def test_a_second_start_reads_the_same_bits_and_not_the_base(base, tmp_path, monkeypatch, format_):
    plain = weights(base, None, format_)
    assert_same(weights(base, tmp_path / "kept", format_), plain)
    refuse_to_fill(monkeypatch)
    assert_same(weights(base, tmp_path / "kept", format_), plain)


def test_every_frozen_weight_is_kept(base):
    decoder = load_decoder(base, "nf4").decoder
    named = {id(v) for v in kept._frozen(decoder).values()}
    frozen = {id(v) for v in decoder.non_trainable_variables if "seed" not in v.path}
    assert named == frozen


def damaged(entry, how):
    content = bytearray(entry.read_bytes())
    if how == "flipped":
        content[-7] ^= 4
    entry.write_bytes(bytes(content[: -100 if how == "cut" else None]) if how != "empty" else b"")


@pytest.mark.parametrize("how", ["flipped", "cut", "empty"])
def test_a_broken_entry_is_made_anew(base, tmp_path, monkeypatch, how):
    folder = tmp_path / "kept"
    plain = weights(base, folder)
    (entry,) = folder.iterdir()
    damaged(entry, how)
    assert_same(weights(base, folder), plain)
    refuse_to_fill(monkeypatch)
    assert_same(weights(base, folder), plain)


def test_another_base_has_an_entry_of_its_own(base, tmp_path):
    weights(base, tmp_path / "kept")
    model = reference_model("gpt_neox")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    model.save_pretrained(tmp_path / "other")
    other = weights(tmp_path / "other", tmp_path / "kept")
    assert_same(other, weights(tmp_path / "other", None))
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_change_that_a_fingerprint_overlooks_is_noticed(base, tmp_path, monkeypatch):
    monkeypatch.setattr(load, "fingerprint", lambda _: "the same")
    weights(base, tmp_path / "kept")
    model = reference_model("gpt_neox")
    with torch.no_grad():
        model.gpt_neox.layers[0].mlp.dense_h_to_4h.weight.mul_(2)
    model.save_pretrained(base)
    assert_same(weights(base, tmp_path / "kept"), weights(base, None))


def test_a_killed_write_is_swept_away(base, tmp_path):
    folder = tmp_path / "kept"
    weights(base, folder)
    (entry,) = folder.iterdir()
    left = folder / f".{entry.name}.abcd1234.part"
    left.write_bytes(b"half")
    os.utime(left, (time.time() - 2 * 86_400,) * 2)
    weights(base, folder)
    assert list(folder.iterdir()) == [entry]


def test_floats_and_small_decoders_are_not_kept(base, tmp_path, monkeypatch):
    weights(base, tmp_path / "kept", "float32")
    monkeypatch.setattr(kept, "_LEAST", 1 << 26)
    weights(base, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_nothing_is_kept_where_there_is_little_room(base, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kept.shutil, "disk_usage", lambda _: Full)
    assert_same(weights(base, tmp_path / "kept"), weights(base, None))
    assert "little room" in capsys.readouterr().err
    assert not list((tmp_path / "kept").iterdir())


class Full:
    free = 1000


def test_a_place_that_cannot_be_written_costs_nothing(base, tmp_path):
    (tmp_path / "kept").write_text("a file")
    assert_same(weights(base, tmp_path / "kept"), weights(base, None))


def test_entries_that_nobody_used_are_removed(base, tmp_path):
    folder = tmp_path / "kept"
    weights(base, folder)
    old = folder / "old.safetensors"
    old.write_bytes(b"")
    then = time.time() - kept.KEPT_SECONDS - 1
    os.utime(old, (then, then))
    weights(base, folder)
    assert not old.exists()
    assert len(list(folder.iterdir())) == 1
