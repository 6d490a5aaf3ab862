"""Folders as saved by transformers and by the original authors: logits equal, and ignored weights are reported."""

import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from danlu.architectures.presets import family_of
from danlu.errors import WrongInput
from danlu.interop.logit_check import danlu_outputs
from danlu.interop.model_folder import read_json_object
from danlu.interop.model_loading import read_model
from danlu.interop.quiet_transformers import quiet_transformers

TOLERANCE = 1e-5
SMALL = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
BERT = SMALL | {"max_position_embeddings": 64}
T5 = {"initializer_factor": 0.2, "d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 3}
GPT2 = {"n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 64}


def saved(class_name, folder, tokenizer, **settings):
    """A random model of a class, saved by transformers, next to a danlu tokenizer."""
    with quiet_transformers() as transformers:
        torch.manual_seed(5)
        cls = getattr(transformers, class_name)
        ids = {f"{role}_token_id": getattr(tokenizer.vocabulary, role) for role in ("bos", "eos", "pad")}
        config = cls.config_class(vocab_size=tokenizer.vocabulary.size, **(ids | settings))
        model = cls(config).eval()
        with torch.no_grad():
            for p in model.parameters():
                p += 0.1 * torch.randn_like(p)
        model.save_pretrained(folder)
    tokenizer.save(folder)
    return model


def rewrite_weights(folder, change):
    """Rewrite the weights of a folder; `change` maps their state to another."""
    path = folder / "model.safetensors"
    save_file({k: v.clone().contiguous() for k, v in change(load_file(path)).items()}, path)


def difference(model, folder):
    """Return the largest difference of logits between transformers and danlu, and the weights that danlu ignored."""
    found = read_model(folder)
    head = family_of(read_json_object(folder / "config.json")).head
    ids = torch.arange(5, 30)
    inputs = {"input_ids": ids[None]} | ({"decoder_input_ids": ids[None]} if model.config.is_encoder_decoder else {})
    with torch.no_grad():
        made = model(**inputs)
        given = danlu_outputs(found.network, ids.numpy(), head)
    return max(float((value - made[name][0]).abs().max()) for name, value in given.items()), found.ignored


def with_extra_heads(state):
    extra = {
        "bert.pooler.dense.weight": torch.ones(24, 24),
        "bert.pooler.dense.bias": torch.ones(24),
        "cls.seq_relationship.weight": torch.ones(2, 24),
        "cls.seq_relationship.bias": torch.ones(2),
        "bert.embeddings.position_ids": torch.arange(64)[None],
    }
    copies = {"cls.predictions.decoder.weight": state["bert.embeddings.word_embeddings.weight"]}
    return state | extra | copies


def with_gamma_and_beta(state):
    former = {"weight": "gamma", "bias": "beta"}
    return {re.sub(r"(LayerNorm)\.(weight|bias)$", lambda m: f"{m[1]}.{former[m[2]]}", k): v for k, v in state.items()}


def with_copy_and_gamma(state):
    extra = {name: value for name, value in with_extra_heads(state).items() if name not in state}
    return with_gamma_and_beta(state) | {n: v for n, v in extra.items() if n.startswith(("cls.pred", "bert.emb"))}


def without(prefix):
    return lambda state: {name.removeprefix(prefix): value for name, value in state.items()}


def gpt2_buffers(state):
    buffers = {f"transformer.h.{i}.attn.bias": torch.ones(1, 1, 64, 64) for i in range(2)}
    return without("transformer.")(state | buffers | {"lm_head.weight": state["transformer.wte.weight"]})


def t5_copies(state):
    copies = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight")
    unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    return state | dict.fromkeys(copies, state["shared.weight"]) | {unused: torch.ones(32, 3)}


def only_the_copy(state):
    return {("lm_head.weight" if name == "transformer.wte.weight" else name): v for name, v in state.items()}


def as_saved(state):
    return state


HEADS = ("cls.seq_relationship", "bert.pooler.dense")
CASES = {
    "BERT with further heads": ("BertForMaskedLM", BERT, with_extra_heads, (*HEADS, "bert.embeddings.position_ids")),
    "BERT with gamma and beta": ("BertForMaskedLM", BERT, with_gamma_and_beta, ()),
    "BERT with both heads": ("BertForPreTraining", BERT, as_saved, ()),
    "BERT with both heads, a copy and gamma": (
        "BertForPreTraining",
        BERT,
        with_copy_and_gamma,
        ("bert.embeddings.position_ids",),
    ),
    "BERT without a prefix": ("BertForMaskedLM", BERT, without("bert."), ()),
    "RoBERTa": ("RobertaForMaskedLM", BERT | {"type_vocab_size": 1, "pad_token_id": 0}, as_saved, ()),
    "GPT-2 without a prefix": ("GPT2LMHeadModel", GPT2, gpt2_buffers, ("h.0.attn.bias", "h.1.attn.bias")),
    "GPT-2 with the output layer only": ("GPT2LMHeadModel", GPT2, only_the_copy, ()),
    "T5 1.0 with copies": ("T5ForConditionalGeneration", T5, t5_copies, ("decoder.block.0",)),
    "T5 1.1 by transformers 5": (
        "T5ForConditionalGeneration",
        T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        as_saved,
        (),
    ),
    "ModernBERT": ("ModernBertForMaskedLM", BERT | {"local_attention": 8}, as_saved, ()),
}


@pytest.mark.parametrize("case", CASES)
def test_logits_equal_those_of_transformers(case, tokenizer, tmp_path):
    class_name, settings, change, ignored = CASES[case]
    model = saved(class_name, tmp_path / "m", tokenizer, **settings)
    rewrite_weights(tmp_path / "m", change)
    found, names = difference(model, tmp_path / "m")
    assert found <= TOLERANCE
    assert all(any(name.startswith(start) for name in names) for start in ignored)
    assert all(name.startswith(ignored) for name in names)


def test_the_original_t5_1_1_has_an_untied_output_layer(tokenizer, tmp_path):
    """The config states that it is untied, and the weights file contains it; transformers 5 goes by the file."""
    settings = T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    saved("T5ForConditionalGeneration", tmp_path / "m", tokenizer, **settings)
    config = tmp_path / "m" / "config.json"
    text = config.read_text().replace('  "scale_decoder_outputs": false,\n', "")
    assert text != config.read_text()
    config.write_text(text.replace('"tie_word_embeddings": true', '"tie_word_embeddings": false'))
    size = tokenizer.vocabulary.size
    rewrite_weights(tmp_path / "m", lambda state: state | {"lm_head.weight": 0.1 * torch.randn(size, 24)})
    with quiet_transformers() as transformers:
        model = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path / "m").eval()
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
    assert difference(model, tmp_path / "m")[0] <= TOLERANCE


def test_a_copy_that_differs_is_refused(tokenizer, tmp_path):
    saved("BertForMaskedLM", tmp_path / "m", tokenizer, **BERT)
    size = tokenizer.vocabulary.size
    rewrite_weights(tmp_path / "m", lambda state: state | {"cls.predictions.decoder.weight": torch.ones(size, 24)})
    with pytest.raises(WrongInput, match=r"cls\.predictions\.decoder\.weight differs from bert\.embeddings\.word") as e:
        read_model(tmp_path / "m")
    assert "\n" not in str(e.value)


def test_an_unknown_weight_is_still_refused(tokenizer, tmp_path):
    saved("BertForMaskedLM", tmp_path / "m", tokenizer, **BERT)
    rewrite_weights(tmp_path / "m", lambda state: state | {"bert.encoder.layer.2.output.dense.bias": torch.ones(24)})
    with pytest.raises(WrongInput, match=r"unknown weight bert\.encoder\.layer\.2\.output\.dense\.bias"):
        read_model(tmp_path / "m")
