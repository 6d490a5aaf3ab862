"""The weight-name tables and settings of the transformers families, without transformers itself."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from danlu.architectures import build_network, presets
from danlu.architectures.presets import ENCODERS, FAMILIES, NoFamily, family_for, family_of, from_hf, to_hf
from danlu.architectures.presets.weight_names import Weight
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.interop.headless import Headless
from danlu.objectives.causal import Causal
from danlu.objectives.denoising import Denoising
from danlu.objectives.masked import Masked
from danlu.objectives.mixture import Mixture
from danlu.objectives.next_sentence import NextSentence
from danlu.objectives.replaced import Replaced
from danlu.objectives.spans import Spans
from danlu.registry import architectures
from danlu.settings import Settings
from danlu.tokens.vocabulary import Vocabulary

BY_NAME = {family.name: family for family in FAMILIES}
TRAINED = (Causal(), Masked(), NextSentence(classifier="first_token"), Replaced(generator=None), Spans(), Denoising())
OBJECTIVES = {objective.hf_head: objective for objective in TRAINED}
BASE = {
    "qwen3": {"qk_norm": True},
    "llama": {},
    "ministral": {"window": 3, "global_every": 2},
    "modernbert": {"norm": "layer", "embedding_norm": True, "first_norm": False, "activation": "gelu"},
    "gpt2": presets.gpt2.FIXED,
    "bert": presets.bert.FIXED | {"segments": 2},
    "bert_pretraining": presets.bert.FIXED | {"segments": 2},
    "roberta": presets.bert.FIXED | {"segments": 1, "position_offset": 1},
    "albert": presets.bert.FIXED | {"segments": 2, "embedding_width": 6, "shared_layers": 1},
    "electra": presets.bert.FIXED | {"segments": 2, "embedding_width": 6},
    "electra_generator": presets.bert.FIXED | {"segments": 2, "embedding_width": 6},
    "t5": presets.t5.FIXED | {"activation": "gelu_tanh", "tied": False},
    "bart": presets.bart.FIXED,
}
PRESETS = sorted({family.model_type for family in FAMILIES} - {"ministral"})  # which is `llama` with a window
SPLIT_HEADS = ("llama", "ministral", "qwen3")
"""Families whose heads may share keys and values and need not add up to the width."""


def vocabulary(size):
    return Vocabulary(size=size, bos=1, eos=2, mask=3, pad=0, special=frozenset(range(4)))


def test_every_family_has_base_settings():
    assert set(BASE) == set(BY_NAME)


@st.composite
def models(draw):
    """Draw a family, settings that fit it and a vocabulary size."""
    name = draw(st.sampled_from(sorted(BASE)))
    groups, share, half = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    chosen = {"tied": draw(st.booleans())} | BASE[name] | {"context": 16}
    chosen |= {"layers": draw(st.integers(2 if name == "ministral" else 1, 3))}
    if name not in SPLIT_HEADS:
        chosen |= {"heads": groups, "width": groups * 2 * half}
    else:
        heads = groups * share
        width = heads * draw(st.integers(1, 4)) if name == "llama" else draw(st.integers(3, 20))
        chosen |= {"heads": heads, "kv_heads": groups, "head_dim": 2 * half, "width": width}
    if name == "llama":
        chosen |= {"bias": draw(st.booleans())}
    chosen |= {"ffn_dim": draw(st.none() | st.integers(1, 30)), "epsilon": draw(st.sampled_from([1e-12, 1e-5]))}
    if name == "bart":
        chosen |= {"epsilon": 1e-5, "scaled_embeddings": draw(st.booleans())}
    if name == "t5":
        chosen |= {"scaled_head": chosen["tied"], "head_dim": draw(st.integers(1, 5)), "gated": draw(st.booleans())}
        chosen |= {
            "activation": draw(st.sampled_from(["relu", "gelu_tanh", "silu"])),
            "relative_buckets": 8,
            "max_relative_distance": 9,
        }
    if name in ("t5", "bart"):
        chosen |= {"decoder_layers": draw(st.none() | st.integers(1, 3))}
    if chosen.get("positions", "rotary") == "rotary":
        chosen |= {"theta": draw(st.sampled_from([1e4, 5e5]))}
    if name == "albert":
        chosen |= {"shared_layers": draw(st.integers(1, 3)), "activation": draw(st.sampled_from(["gelu", "gelu_tanh"]))}
    if "embedding_width" in chosen:
        width = draw(st.integers(1, 9))
        chosen["embedding_width"] = width if name == "albert" or width != chosen["width"] else None
    if name == "electra_generator" and chosen["embedding_width"] is None:
        chosen["embedding_width"] = chosen["width"] + 1
    if name == "modernbert" and draw(st.booleans()):
        chosen |= {"window": draw(st.integers(1, 9)), "global_every": draw(st.integers(1, 4)), "local_theta": 3e4}
    return BY_NAME[name], Transformer(**chosen), draw(st.integers(5, 40))


@settings(max_examples=40, deadline=None)
@given(models())
def test_tables_are_exact_inverses(model):
    family, chosen, size = model
    objective = OBJECTIVES[family.head]
    assert family.mismatch(chosen, objective) is None
    state = build_network(objective, chosen, size, 0).state_dict()
    table = family.names(chosen)
    theirs = to_hf(table, state)
    assert sum(v.numel() for v in theirs.values()) == sum(v.numel() for v in state.values())
    back = from_hf(table, theirs)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


@settings(max_examples=40, deadline=None)
@given(models())
def test_settings_round_trip_through_the_config(model):
    family, chosen, size = model
    config = json.loads(json.dumps(family.config(chosen, vocabulary(size), "float32")))
    assert family_of(config) is family
    again = family.settings_of(config)
    assert family.config(again, vocabulary(size), "float32") == config
    assert family.names(again) == family.names(chosen)
    assert family.mismatch(again, OBJECTIVES[family.head]) is None


def test_a_transposed_weight_round_trips():
    table = (Weight("c_attn.weight", ("query.weight", "key.weight"), (2, 4), transposed=True),)
    state = {"query.weight": torch.randn(2, 3), "key.weight": torch.randn(4, 3)}
    theirs = to_hf(table, state)
    assert theirs["c_attn.weight"].shape == (3, 6)
    assert all(torch.equal(value, state[name]) for name, value in from_hf(table, theirs).items())


def test_families_refuse_settings_that_they_do_not_handle():
    """A setting added to the Transformer must stay at its default until a family handles it."""

    class Grown(Transformer):
        sinks: int = 0

    for family in FAMILIES:
        objective = OBJECTIVES[family.head]
        assert family.mismatch(Grown(**BASE[family.name]), objective) is None
        assert family.mismatch(Grown(**BASE[family.name], sinks=8), objective) == "set sinks: 0 (currently 8)"
    for family in ENCODERS:
        assert family.mismatch(Grown(**BASE[family.name]), Headless()) is None
        assert family.mismatch(Grown(**BASE[family.name], sinks=8), Headless()) == "set sinks: 0 (currently 8)"
        headless = "has no prediction head; use a class that has one for objective masked"
        assert family.mismatch(Grown(**BASE[family.name]), Masked()) == headless


@pytest.mark.parametrize(
    ("name", "change", "clause"),
    [
        ("qwen3", {"norm": "layer"}, "set norm: rms (currently layer)"),
        ("qwen3", {"qk_norm": False}, "set qk_norm: true (currently false)"),
        ("qwen3", {"bias": True}, "set bias: false (currently true)"),
        ("qwen3", {"activation": "gelu"}, "set activation: silu (currently gelu)"),
        ("qwen3", {"positions": "learned"}, "set positions: rotary (currently learned)"),
        ("llama", {"qk_norm": True}, "set qk_norm: false (currently true)"),
        ("llama", {"gated": False}, "set gated: true (currently false)"),
        (
            "llama",
            {"width": 10, "heads": 4, "head_dim": 2},
            "set width to a multiple of heads (currently 10 and 4)",
        ),
        ("modernbert", {"first_norm": True}, "set first_norm: false (currently true)"),
        ("gpt2", {"norm_bias": False}, "set norm_bias: true (currently false)"),
        ("gpt2", {"heads": 4, "kv_heads": 2}, "set kv_heads: 4, the number of heads (currently 2)"),
        ("bert", {"post_norm": False}, "set post_norm: true (currently false)"),
        ("bert", {"segments": 0}, "set segments: 1 or more (currently 0)"),
        ("bert_pretraining", {"segments": 1}, "set segments: 2 or more, one for each text of a pair (currently 1)"),
        ("bert", {"tied": False}, "set tied: true (currently false)"),
        ("bert", {"position_offset": 1}, "set position_offset: 0 (currently 1)"),
        ("roberta", {"position_offset": 0}, "set position_offset: 1 or more (currently 0)"),
        ("bert", {"embedding_width": 6}, "set embedding_width: null (currently 6)"),
        ("llama", {"shared_layers": 2}, "set shared_layers: null (currently 2)"),
        ("albert", {"embedding_width": None}, "set embedding_width: 256 or another width (currently null)"),
        ("albert", {"shared_layers": None}, "set shared_layers: 6 or fewer (currently null)"),
        ("albert", {"activation": "relu"}, "set activation: gelu or gelu_tanh (currently relu)"),
        ("electra", {"width": 8, "embedding_width": 8}, "set embedding_width: null, since it equals the width 8"),
        ("modernbert", {"heads": 4, "kv_heads": 2}, "set kv_heads: 4, the number of heads (currently 2)"),
        ("modernbert", {"head_dim": 6}, "set head_dim: null, so that heads add up to width 256 (currently 6)"),
        ("t5", {"scaled_attention": True}, "set scaled_attention: false (currently true)"),
        ("t5", {"tied": False, "scaled_head": True}, "set scaled_head: false, since tied is false"),
        ("t5", {"activation": "gelu"}, "set activation: gelu_tanh, since gated is true (currently gelu)"),
        ("t5", {"shared_embeddings": False}, "set shared_embeddings: true (currently false)"),
        ("bart", {"positions": "rotary", "position_offset": 0}, "set positions: learned (currently rotary)"),
        ("bart", {"epsilon": 1e-6}, "set epsilon: 1e-05 (currently 1e-06)"),
        ("gpt2", {"positions": "relative"}, "set positions: learned (currently relative)"),
    ],
)
def test_an_incompatible_setting_is_named(name, change, clause):
    family = BY_NAME[name]
    assert family.mismatch(Transformer(**BASE[name] | change), OBJECTIVES[family.head]) == clause


def test_the_family_of_a_model():
    assert family_for(Transformer(qk_norm=True), Causal()) is BY_NAME["qwen3"]
    assert family_for(Transformer(), Causal()) is BY_NAME["llama"]
    assert family_for(Transformer(**BASE["modernbert"]), Masked()) is BY_NAME["modernbert"]
    for name in ("gpt2", "bert", "bert_pretraining", "roberta", "t5", "bart"):
        assert family_for(Transformer(**BASE[name]), OBJECTIVES[BY_NAME[name].head]) is BY_NAME[name]
    found = family_for(Transformer(norm="layer"), Causal())
    assert found == NoFamily(
        "Qwen3ForCausalLM: set norm: rms (currently layer); LlamaForCausalLM: set norm: rms (currently layer); "
        "MinistralForCausalLM: set norm: rms (currently layer); GPT2LMHeadModel: set norm_bias: true (currently false)"
    )


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_an_architecture_of_the_same_name(name):
    family = BY_NAME[name]
    assert family_for(architectures.validate(name), OBJECTIVES[family.head]) is family


def test_a_position_offset_that_does_not_follow_the_padding_id_is_refused():
    with pytest.raises(WrongInput, match="the tokenizer has 0; set position_offset: 1"):
        BY_NAME["roberta"].config(Transformer(**BASE["roberta"] | {"position_offset": 2}), vocabulary(9), "float32")


def test_the_family_of_a_mixture():
    found = family_for(Transformer(), Mixture(of={"a": Causal(), "b": Masked()}))  # pyright: ignore[reportCallIssue]
    assert found == NoFamily(
        "no transformers class has the head of objective mixture; use one of causal, denoising, masked, replaced, "
        "spans, {name: next_sentence, classifier: first_token, masked: true}"
    )


def test_another_architecture_does_not_fit():
    class Bag(Settings):
        name: str = "bag"

    assert (
        BY_NAME["llama"].mismatch(Bag(), Causal())
        == "use architecture transformer or one of its presets (currently bag)"
    )


def llama_config(**change):
    chosen = Transformer(layers=1, width=8, heads=2, context=16)
    return BY_NAME["llama"].config(chosen, vocabulary(9), "float32") | change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_act": "gelu"}, "hidden_act is gelu; danlu supports llama with silu only"),
        ({"attention_bias": True}, "one of attention_bias and mlp_bias"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "scaled (yarn)"),
        ({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "partial"),
        ({"rope_parameters": [1]}, "rotary parameters are [1]"),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2}}, "scaled (linear)"),
        ({"num_hidden_layers": None}, "has no num_hidden_layers"),
        ({"num_hidden_layers": 0}, "layers: Input should be greater than 0"),
        ({"num_attention_heads": 3}, "multiple"),
    ],
)
def test_an_unsupported_llama_config_is_refused(change, words):
    with pytest.raises(WrongInput) as caught:
        BY_NAME["llama"].settings_of(llama_config(**change))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_act": "gelu_fast"}, "hidden_act 'gelu_fast' is not supported; did you mean 'gelu"),
        ({"inner_group_num": 2}, "inner_group_num is 2; danlu supports albert with 1 only"),
        ({"embedding_size": None}, "has no embedding_size"),
    ],
)
def test_an_unsupported_albert_config_is_refused(change, words):
    chosen = Transformer(**BASE["albert"], layers=2, width=8, heads=2, context=16)
    config = BY_NAME["albert"].config(chosen, vocabulary(9), "float32")
    with pytest.raises(WrongInput) as caught:
        BY_NAME["albert"].settings_of(config | change)
    assert words in str(caught.value)


def test_an_electra_as_wide_as_its_embeddings_has_no_map():
    chosen = Transformer(**BASE["electra"] | {"embedding_width": None}, layers=1, width=8, heads=2, context=16)
    config = BY_NAME["electra"].config(chosen, vocabulary(9), "float32")
    assert config["embedding_size"] == 8
    assert BY_NAME["electra"].settings_of(config).embedding_width is None
    assert not [w for w in BY_NAME["electra"].names(chosen) if "project" in w.theirs]


def test_configs_of_transformers_4_are_read():
    older = llama_config(rope_theta=7.0)
    del older["rope_parameters"]
    assert BY_NAME["llama"].settings_of(older).theta == 7.0
    modern = Transformer(**BASE["modernbert"], theta=7.0)
    older = BY_NAME["modernbert"].config(modern, vocabulary(9), "float32")
    del older["rope_parameters"], older["layer_types"], older["local_rope_theta"]
    assert BY_NAME["modernbert"].settings_of(older).theta == 7.0
    local = BY_NAME["modernbert"].settings_of(older | {"global_attn_every_n_layers": 3, "local_attention": 10})
    assert (local.window, local.global_every, local.theta, local.local_theta) == (5, 3, 7.0, 10000.0)
    biased = BY_NAME["modernbert"].settings_of({k: v for k, v in older.items() if k != "decoder_bias"})
    assert (biased.output_bias, modern.output_bias) == (True, False)  # transformers' default is a bias


def test_an_unknown_family_is_named_with_the_known_ones():
    with pytest.raises(WrongInput, match=r"model_type 'gptneo' is not supported; did you mean 'gpt2'"):
        family_of({"model_type": "gptneo"})
    with pytest.raises(WrongInput, match="of electra danlu supports ElectraForPreTraining and ElectraForMaskedLM"):
        family_of({"model_type": "electra", "architectures": ["ElectraForTokenClassification"]})
    with pytest.raises(WrongInput, match="LlamaForSequenceClassification"):
        family_of(llama_config(architectures=["LlamaForSequenceClassification"]))


def test_weights_of_another_model_are_refused():
    chosen = Transformer(layers=1, width=8, heads=2)
    table = BY_NAME["llama"].names(chosen)
    theirs = to_hf(table, build_network(Causal(), chosen, 9, 0).state_dict())
    with pytest.raises(WrongInput, match=r"the file lacks weight model\.norm\.weight;"):
        from_hf(table, {k: v for k, v in theirs.items() if k != "model.norm.weight"})
    with pytest.raises(WrongInput, match=r"x\.safetensors has an unknown weight lm_head\.weight;"):
        from_hf(table, theirs | {"lm_head.weight": torch.zeros(1)}, "x.safetensors")
    bert = Transformer(**BASE["modernbert"], layers=1, width=8, heads=2)
    table = BY_NAME["modernbert"].names(bert)
    theirs = to_hf(table, build_network(Masked(), bert, 9, 0).state_dict())
    with pytest.raises(WrongInput, match=r"Wqkv\.weight is 23 x 8, not 24 rows"):
        from_hf(table, theirs | {"model.layers.0.attn.Wqkv.weight": torch.zeros(23, 8)})


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("t5", {"feed_forward_proj": "gated-tanh"}, "feed_forward_proj is 'gated-tanh'"),
        ("t5", {"is_encoder_decoder": False}, "is_encoder_decoder is false"),
        ("bart", {"decoder_ffn_dim": 7}, "encoder_ffn_dim is 1024 and decoder_ffn_dim 7"),
        ("bart", {"activation_function": "relu"}, "activation_function is relu"),
    ],
)
def test_an_unsupported_encoder_decoder_config_is_refused(name, change, words):
    config = BY_NAME[name].config(Transformer(**BASE[name]), vocabulary(9), "float32") | change
    with pytest.raises(WrongInput) as caught:
        BY_NAME[name].settings_of(config)
    assert words in str(caught.value)


def test_published_t5_configs_are_read():
    """Version 1.0 does not mention the head; 1.1 states that it is untied, and a config saved by transformers states
    that its outputs are not scaled."""
    config = dict(BY_NAME["t5"].config(Transformer(**BASE["t5"]), vocabulary(9), "float32"))
    for name in ("scale_decoder_outputs", "tie_word_embeddings", "n_positions", "feed_forward_proj"):
        config.pop(name)
    old = BY_NAME["t5"].settings_of(config)
    assert (old.tied, old.scaled_head, old.gated, old.activation, old.context) == (True, True, False, "relu", 512)
    for published in ({"tie_word_embeddings": False}, {"tie_word_embeddings": True, "scale_decoder_outputs": False}):
        new = BY_NAME["t5"].settings_of(config | published | {"feed_forward_proj": "gated-gelu"})
        assert (new.tied, new.scaled_head, new.gated, new.activation) == (False, False, True, "gelu_tanh")


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "albert", "embedding_width": 0},
        {"name": "albert", "shared_layers": 0},
        {"name": "roberta", "position_offset": -1},
        {"name": "bert", "segments": -1},
        {"name": "bart", "position_offset": -1},
        {"name": "transformer", "dropout": 1.0},
    ],
    ids=str,
)
def test_preset_defaults_keep_the_bounds_of_their_settings(settings):
    with pytest.raises(ValidationError, match=r"greater than|less than"):
        architectures.validate(settings)
