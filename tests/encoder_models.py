"""Random PyTorch models of odd sizes, and what they and ours compute: for tests and the bench."""

import keras
import numpy as np
import torch
import transformers

from relx.models.encoder.load import load_encoder, save_encoder
from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer, write_tokenizer

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
_DISTILBERT = {
    "vocab_size": 97,
    "dim": 42,
    "n_layers": 3,
    "n_heads": 7,
    "hidden_dim": 53,
    "max_position_embeddings": 40,
}
_DEBERTA_V3 = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 9,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
}
_ALBERT = {"embedding_size": 18, "num_hidden_layers": 5, "num_hidden_groups": 2}
_MODERNBERT = {
    "norm_eps": 1e-3,
    "local_attention": 7,
    "global_attn_every_n_layers": 2,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "cls_token_id"), 0),
    **dict.fromkeys(("eos_token_id", "sep_token_id"), 1),
    "rope_parameters": {
        "full_attention": {"rope_type": "default", "rope_theta": 700.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 90.0},
    },
}
# Each case: the model_type, and what differs from SIZES.
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
    "electra": ("electra", {"embedding_size": 18}),
    "electra, one width, relu": ("electra", {"embedding_size": 42, "hidden_act": "relu"}),
    "distilbert": ("distilbert", {}),
    "distilbert, tanh gelu": ("distilbert", {"activation": "gelu_new"}),
    "albert": ("albert", _ALBERT),
    "albert, inner layers, one token type": (
        "albert",
        {"embedding_size": 42, "inner_group_num": 2, "type_vocab_size": 1},
    ),
    "deberta-v3": ("deberta-v2", _DEBERTA_V3 | {"legacy": False}),
    "deberta-v3, BERT's head": ("deberta-v2", _DEBERTA_V3 | {"embedding_size": 18}),
    "deberta-v2, own positions, two token types": (
        "deberta-v2",
        _DEBERTA_V3
        | {
            "share_att_key": False,
            "norm_rel_ebd": "none",
            "position_buckets": -1,
            "max_relative_positions": 11,
            "position_biased_input": True,
            "type_vocab_size": 2,
        },
    ),
    "deberta-v2, c2p, one token type": (
        "deberta-v2",
        _DEBERTA_V3
        | {
            "share_att_key": False,
            "pos_att_type": ["c2p"],
            "position_biased_input": True,
            "type_vocab_size": 1,
        },
    ),
    "deberta-v2, p2c, two token types alone": (
        "deberta-v2",
        _DEBERTA_V3 | {"share_att_key": False, "pos_att_type": "p2c", "type_vocab_size": 2},
    ),
    "modernbert": ("modernbert", _MODERNBERT),
    "modernbert, every bias, tanh gelu": (
        "modernbert",
        _MODERNBERT
        | {
            "norm_bias": True,
            "attention_bias": True,
            "mlp_bias": True,
            "classifier_bias": True,
            "hidden_activation": "gelu_pytorch_tanh",
            "classifier_activation": "silu",
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        },
    ),
    "modernbert, no bias at all": ("modernbert", _MODERNBERT | {"decoder_bias": False}),
}
# One case for each family: the rows of the table in docs/benchmarks.md.
FAMILIES = (
    "bert",
    "roberta",
    "xlm-roberta",
    "electra",
    "distilbert",
    "albert",
    "deberta-v3",
    "modernbert",
)


def configured(case):
    """The transformers configuration of a case."""
    model_type, settings = CASES[case]
    sizes = dict(_DISTILBERT if model_type == "distilbert" else SIZES)
    if model_type == "modernbert":
        del sizes["layer_norm_eps"]
    return transformers.AutoConfig.for_model(model_type, **(sizes | settings))


def shaken(model, seed=0):
    """Moves every parameter, so that no bias, norm or token-type row is at its start."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def theirs(case):
    """A random masked-LM model."""
    torch.manual_seed(0)
    return shaken(transformers.AutoModelForMaskedLM.from_config(configured(case)))


def types_of(model):
    return max(1, getattr(model.config, "type_vocab_size", 1))


def write(model, folder):
    """Saves a model with a tokenizer of fewer tokens than the model has rows."""
    model.save_pretrained(folder)
    write_tokenizer(fresh_tokenizer(SENTENCES, 80), folder, 36, types_of(model))


def batch(model, lengths=(21, 9, 14), seed=0):
    """Rows of several lengths, the longest first: padding stands in the middle of the batch."""
    rng = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths))
    mask = (np.arange(shape[1]) < np.array(lengths)[:, None]).astype("int64")
    ids = np.where(mask, rng.integers(5, model.config.vocab_size, shape), model.config.pad_token_id)
    inputs = {"input_ids": ids, "attention_mask": mask}
    types = rng.integers(0, types_of(model), shape)
    return inputs | ({"token_type_ids": types} if types_of(model) > 1 else {})


def their_hidden(model, inputs):
    """The last hidden states of a model without head."""
    with torch.no_grad():
        outputs = model(**{name: torch.tensor(values) for name, values in inputs.items()})
    return outputs.last_hidden_state.numpy()


def their_outputs(model, inputs):
    """The last hidden states and the logits of a masked-LM model."""
    with torch.no_grad():
        logits = model(**{name: torch.tensor(v) for name, v in inputs.items()}).logits
    return their_hidden(model.base_model, inputs), logits.numpy()


def our_hidden(encoder, inputs):
    names = {"token_ids": "input_ids", "padding_mask": "attention_mask"}
    if encoder.num_segments > 1:
        names["segment_ids"] = "token_type_ids"
    hidden = encoder({ours: inputs[name].astype("int32") for ours, name in names.items()})
    return keras.ops.convert_to_numpy(hidden)


def our_outputs(loaded, inputs):
    hidden = our_hidden(loaded.encoder, inputs)
    return hidden, keras.ops.convert_to_numpy(loaded.head(hidden))


def difference(ours, other, inputs):
    """The largest absolute difference at tokens; what stands at padding is nobody's business."""
    inside = inputs["attention_mask"].astype(bool)
    return float(np.abs(ours[inside] - other[inside]).max())


def reloaded(auto, folder, **options):
    """What transformers loads from a folder; an error where a key is missing or unknown."""
    model, report = auto.from_pretrained(folder, output_loading_info=True, **options)
    assert all(not names for names in report.values()), report
    return model.eval()


def parity(case, folder):
    """The four numbers of the table: loading one way, and what transformers reads of ours."""
    model = theirs(case)
    write(model, folder / "theirs")
    loaded = load_encoder(str(folder / "theirs"), with_head=True, seed=1)
    inputs = batch(model)
    hidden, logits = our_outputs(loaded, inputs)
    expected = their_outputs(model, inputs)
    save_encoder(loaded, folder / "ours", "")
    again = reloaded(transformers.AutoModelForMaskedLM, folder / "ours")
    back = their_outputs(again, inputs)
    return {
        "hidden": difference(hidden, expected[0], inputs),
        "logits": difference(logits, expected[1], inputs),
        "round_trip_hidden": difference(hidden, back[0], inputs),
        "round_trip_logits": difference(logits, back[1], inputs),
    }
