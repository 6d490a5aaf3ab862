"""Exported folders give the same results in transformers."""

import json
import socket
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from danlu.api.model import Model
from danlu.architectures import build_network
from danlu.architectures.presets import FAMILIES
from danlu.errors import DanluError, WrongInput
from danlu.evaluation.generation import Sampling, generate
from danlu.evaluation.text_to_text import BLANK
from danlu.interop import check_export, export, load_model
from danlu.interop.head_kinds import KINDS
from danlu.interop.logit_check import difference, load_strictly, model_input
from danlu.interop.quiet_transformers import quiet_transformers
from danlu.interop.tokenizer_files import save_for_transformers
from danlu.objectives.replaced import GeneratorSize, Replaced
from danlu.packing import pack
from danlu.training.precision import Machine
from danlu.training.samples import UnitSample

TOLERANCE = 1e-4

T5_1_0 = {"gated": False, "activation": "relu", "tied": True, "scaled_head": True}

CASES = {
    "qwen3": [
        {},
        {"tied": False, "heads": 4, "kv_heads": 2, "head_dim": 10, "layers": 3, "theta": 5e5},
        {"layers": 1, "heads": 3, "kv_heads": 1, "width": 25, "head_dim": 4, "epsilon": 1e-3, "ffn_dim": None},
        {"layers": 5, "window": 4, "global_every": 3},
    ],
    "llama": [
        {},
        {"tied": False, "heads": 6, "kv_heads": 2, "head_dim": 10, "layers": 3, "theta": 5e5},
        {"layers": 1, "bias": True, "kv_heads": 1, "epsilon": 1e-3, "ffn_dim": None, "dropout": 0.5},
    ],
    "ministral": [
        {},
        {"tied": False, "layers": 5, "heads": 6, "kv_heads": 2, "head_dim": 10, "window": 3, "global_every": 3},
    ],
    "modernbert": [
        {},
        {"tied": False, "heads": 1, "layers": 3, "theta": 5e5},
        {"layers": 1, "heads": 2, "width": 20, "ffn_dim": None, "dropout": 0.5, "epsilon": 1e-4},
        {"layers": 5, "window": 3, "theta": 16e4, "local_theta": 5e3},
        {"layers": 3, "window": 1, "global_every": 2},
        {"output_bias": True},
    ],
    "gpt2": [{}, {"tied": False, "layers": 3, "heads": 4}, {"layers": 1, "ffn_dim": None, "epsilon": 1e-3}],
    "bert": [{}, {"layers": 3, "heads": 4, "segments": 3}, {"layers": 1, "ffn_dim": None, "epsilon": 1e-3}],
    "bert_pretraining": [{}, {"layers": 3, "heads": 4, "segments": 3}],
    "roberta": [{}, {"layers": 3, "heads": 4, "segments": 2}, {"layers": 1, "ffn_dim": None, "epsilon": 1e-3}],
    "albert": [
        {"embedding_width": 10},
        {"embedding_width": 24, "layers": 5, "heads": 4, "segments": 3, "shared_layers": 2},
        {"embedding_width": 30, "layers": 3, "shared_layers": 3, "activation": "gelu", "epsilon": 1e-3},
    ],
    "electra": [{}, {"embedding_width": 10, "layers": 3, "heads": 4, "segments": 3}, {"embedding_width": 30}],
    "electra_generator": [
        {"embedding_width": 10},
        {"embedding_width": 30, "layers": 3, "heads": 4, "segments": 3},
    ],
    "t5": [
        {},
        {**T5_1_0, "heads": 4, "head_dim": 10, "decoder_layers": 3, "relative_buckets": 8, "max_relative_distance": 20},
        {"layers": 1, "ffn_dim": None, "epsilon": 1e-3, "activation": "silu", "dropout": 0.5},
        {"tied": True, "scaled_head": False},
    ],
    "bart": [
        {},
        {"layers": 1, "heads": 4, "decoder_layers": 3, "scaled_embeddings": True},
        {"ffn_dim": None, "dropout": 0.5},
    ],
}


def test_every_family_has_cases():
    assert set(CASES) == {family.name for family in FAMILIES}


def test_without_transformers_the_extra_is_named(make, tokenizer, texts, tmp_path, monkeypatch):
    network, objective, architecture = make("llama")
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(WrongInput, match=r"pip install 'danlu\[hf\]'"):
        check_export(network, tokenizer, tmp_path / "m", texts)
    with pytest.raises(WrongInput, match="no text to compare"):
        check_export(network, tokenizer, tmp_path / "m", [])


@pytest.mark.slow
@pytest.mark.parametrize(("family", "change"), [(f, c) for f, cases in CASES.items() for c in cases])
def test_logits_equal_those_of_transformers(family, change, make, tokenizer, texts, tmp_path, monkeypatch, capfd):
    def refused(*args, **kwargs):
        raise AssertionError("an export is checked without the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    network, objective, architecture = make(family, **change)
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    found = check_export(network, tokenizer, tmp_path / "m", [*texts, "long " * 300])
    assert found <= TOLERANCE
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    print(f"{family} {change}: {found:.2e}")


@pytest.mark.slow
def test_t5_is_equal_in_float64(make, tokenizer, texts, tmp_path, monkeypatch):
    """The T5 norm of transformers is replaced, since it computes partly in float32."""
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    def norm(self, x):
        return torch.nn.functional.rms_norm(x, x.shape[-1:], self.weight, self.variance_epsilon)

    monkeypatch.setattr(T5LayerNorm, "forward", norm)
    network, objective, architecture = make("t5", heads=4, head_dim=10)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(5))
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    with quiet_transformers() as transformers:
        theirs = load_strictly(transformers, tmp_path / "m", next(f for f in FAMILIES if f.model_type == "t5"))
    for text in texts:
        ids = model_input(tokenizer, text, objective.hf_head, architecture.context)
        assert difference(network.double(), theirs.double(), ids, objective.hf_head) <= 1e-11


@pytest.mark.slow
@pytest.mark.parametrize(("family", "change"), [(f, c) for f, cases in CASES.items() for c in cases])
def test_every_weight_and_constant_affects_the_logits(family, change, make, tokenizer, texts, tmp_path):
    """Equal logits are meaningful: a change of any weight, of theta or of epsilon is visible."""
    network, objective, architecture = make(family, **change)
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    kind = next(f for f in FAMILIES if f.name == family)
    ids = model_input(tokenizer, texts[0], kind.head, architecture.context)
    with quiet_transformers() as transformers:
        theirs = load_strictly(transformers, tmp_path / "m", kind)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    rotary, noise = architecture.positions == "rotary", torch.Generator().manual_seed(2)
    for name, value in state.items():
        if name.endswith("key.bias") and (not rotary or "cross" in name):
            continue  # adds a constant to the scores of a query, which the softmax cancels
        network.load_state_dict(state | {name: value + torch.randn(value.shape, generator=noise)})
        assert difference(network, theirs, ids, kind.head) > 10 * TOLERANCE, name
    others = [("theta", 2)] * rotary + [("window", 2)] * bool(architecture.window)
    others += [("local_theta", 2)] * bool(architecture.local_theta)
    if family != "bart":  # its config has no epsilon
        others.append(("epsilon", 1e-2 / architecture.epsilon))
    for setting, factor in others:
        other = build_network(
            objective,
            architecture.model_copy(update={setting: factor * getattr(architecture, setting)}),
            network.vocabulary_size,
            0,
        )
        other.load_state_dict(state)
        assert difference(other.eval(), theirs, ids, kind.head) > 10 * TOLERANCE, setting


@pytest.mark.slow
@pytest.mark.parametrize("family", CASES)
def test_folders_resaved_by_transformers_are_loaded(family, make, tokenizer, texts, tmp_path):
    network, objective, architecture = make(family, **CASES[family][1])
    made = export(network, tokenizer, tmp_path / "m", objective, architecture)
    with quiet_transformers() as transformers:
        model = getattr(transformers, made.class_name).from_pretrained(tmp_path / "m", local_files_only=True)
        model.save_pretrained(tmp_path / "n")
        transformers.AutoTokenizer.from_pretrained(tmp_path / "m").save_pretrained(tmp_path / "n")
    again, its = load_model(tmp_path / "n")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())
    assert [its.encode(text).tolist() for text in texts] == [tokenizer.encode(text).tolist() for text in texts]
    assert check_export(again, its, tmp_path / "n", texts) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt2"])
def test_greedy_continuations_are_equal(family, make, tokenizer, texts, tmp_path):
    shared = {} if family == "gpt2" else {"kv_heads": 2, "head_dim": 8}
    network, objective, architecture = make(family, heads=4, context=64, **shared)
    with torch.no_grad():  # the most likely token is usually a special one
        network.embeddings["token"].weight[sorted(tokenizer.vocabulary.special - {tokenizer.vocabulary.eos})] *= 8
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    with quiet_transformers() as transformers, torch.no_grad():
        auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
        model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m")
        assert (model.generation_config.eos_token_id, model.generation_config.pad_token_id) == (2, 0)
        inputs = auto(texts[0], return_tensors="pt")
        given = model.generate(**inputs, max_new_tokens=20, do_sample=False)[0].tolist()
        free = model.generate(**inputs, max_new_tokens=20, do_sample=False, bad_words_ids=None)[0].tolist()
    prompt, vocabulary = tokenizer.encode(texts[0]), tokenizer.vocabulary
    made = generate(network, prompt, vocabulary, Sampling(tokens=20, temperature=0), 64, Machine("cpu", "float32", 1))
    whole = [vocabulary.bos, *prompt.tolist(), *made.tolist()]
    assert [i for i in given if i != vocabulary.eos] == whole
    assert vocabulary.ordinary(made).all()
    assert vocabulary.special.intersection(free[1 + len(prompt) :]) - {
        vocabulary.eos
    }  # unrestricted generation contains special tokens


@pytest.mark.slow
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_greedy_generation_of_encoder_decoders_is_equal(family, make, tokenizer, tmp_path):
    """Texts with blanks, generated by `danlu.load` and by the exported folder, with random weights; the ids differ only
    in the tokens that danlu strips at the ends."""
    network, objective, architecture = make(family, heads=4, context=64)
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    model = Model(*load_model(tmp_path / "m"), architecture.context)
    lengths = set()
    for text in ["The furnace ___ refines the ___.", "a ___", "第七炉___要慢火烧"]:
        shown_text = text
        for k in range(text.count("___")):
            shown_text = shown_text.replace("___", f"<extra_id_{k}>" if family == "t5" else "<mask>", 1)
        with quiet_transformers() as transformers, torch.no_grad():
            auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
            theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "m")
            inputs = auto(shown_text, return_tensors="pt")
            given = theirs.generate(**inputs, max_new_tokens=20, do_sample=False, num_beams=1)[0].numpy()
        parts = [tokenizer.encode(part) for part in BLANK.split(text)]
        vocabulary = tokenizer.vocabulary
        assert inputs["input_ids"][0].tolist() == objective.source_ids(parts, vocabulary).tolist()
        start_ids = objective.decoder_start(vocabulary)
        assert given[: len(start_ids)].tolist() == start_ids.tolist()
        made = given[len(start_ids) :]
        made = made[: np.flatnonzero(made == vocabulary.eos)[0]] if vocabulary.eos in made else made
        expected = tokenizer.decode(objective.merge(parts, made, vocabulary))
        tokens = 20 - (len(start_ids) - 1)
        assert model.generate(text, tokens=tokens, temperature=0) == expected
        assert vocabulary.ordinary(made).sum() > 3
        lengths.add(len(made))
    assert max(lengths) > 5


@pytest.mark.slow
@pytest.mark.parametrize(("family", "task"), [(f.name, KINDS[f.head.kind].pipeline) for f in FAMILIES])
def test_the_pipeline_of_the_model_card_runs(family, task, make, tokenizer, tmp_path):
    network, objective, architecture = make(family, **CASES[family][0])
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    with quiet_transformers() as transformers:
        auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
        pairs = {"token_type_ids"} if objective.hf_head.pairs else set()
        assert set(auto("a")) == {"input_ids", "attention_mask"} | pairs
        assert auto.model_max_length == architecture.context
        if task == "text2text-generation":  # transformers 5 has no pipeline of that name; the card shows generate
            generated = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "m")
            assert generated.generate(**auto("The <mask>", return_tensors="pt"), max_new_tokens=3).shape[0] == 1
            return
        pipe = transformers.pipeline(task, model=str(tmp_path / "m"), device="cpu")
        if task == "fill-mask":
            given = [(found["token"], found["score"]) for found in pipe("The furnace is <mask>.", top_k=30)]
            ours = Model(*load_model(tmp_path / "m"), architecture.context).fill("The furnace is <mask>.", top=30)[0]
            vocabulary = tokenizer.vocabulary
            kept = [(tokenizer.token(i), score) for i, score in given if i not in vocabulary.special]
            assert [token for token, _ in ours[: len(kept)]] == [token for token, _ in kept]
        elif task == "feature-extraction":
            found = torch.tensor(pipe("The furnace"))[0].mean(0)
            ours = Model(*load_model(tmp_path / "m"), architecture.context).embed(["The furnace"], normalize=False)[0]
            torch.testing.assert_close(found, torch.from_numpy(ours), rtol=0, atol=TOLERANCE)
        else:
            assert pipe("The furnace", max_new_tokens=3, do_sample=False)[0]["generated_text"]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["electra", "bert"])
def test_discriminator_and_generator_are_both_saved_and_equal(architecture, make, tokenizer, texts, tmp_path):
    """A replaced-token-detection network as two folders that transformers and danlu load."""
    narrow = {"embedding_width": 12} if architecture == "electra" else {}
    objective = Replaced(generator=GeneratorSize(width=2 / 3, layers=0.5))
    network, _, chosen = make(architecture, objective, **narrow)
    made = export(network, tokenizer, tmp_path / "m", objective, chosen)
    assert made.class_name == "ElectraForPreTraining"
    assert check_export(network, tokenizer, tmp_path / "m", texts) <= TOLERANCE
    sample = UnitSample(0, 0, 0.0, tokenizer.vocabulary, lambda _: [tokenizer.encode(texts[0])])
    batch = pack([objective.example(sample)], objective.streams)
    text = batch["text"]
    with torch.no_grad():
        tokens, logits = objective.corrupt(network, network.head, text)
        detected = network.head.detector(network.hidden(text, token=tokens))
    with quiet_transformers() as transformers, torch.no_grad():
        discriminator = transformers.ElectraForPreTraining.from_pretrained(tmp_path / "m")
        generator = transformers.ElectraForMaskedLM.from_pretrained(tmp_path / "m" / "generator")
        at = text.labels["masked"] >= 0
        filled = generator(input_ids=text.inputs["token"][None]).logits[0][at]
        torch.testing.assert_close(discriminator(input_ids=tokens[None]).logits[0], detected, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(filled, logits, rtol=0, atol=TOLERANCE)
    chief, _ = load_model(tmp_path / "m")
    assert chief.objective == objective.model_copy(update={"generator": None})
    with torch.no_grad():
        assert torch.equal(chief.head.detector(chief.hidden(text, token=tokens)), detected)
    inner, _ = load_model(tmp_path / "m" / "generator")
    assert inner.objective.name == "masked"
    assert check_export(inner, tokenizer, tmp_path / "m" / "generator", texts) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AlbertForMaskedLM", "ElectraForPreTraining", "ElectraForMaskedLM"])
@pytest.mark.parametrize("narrow", [8, 24])
def test_random_transformers_models_round_trip(name, narrow, tokenizer, texts, tmp_path):
    kind = next(f for f in FAMILIES if f.class_name == name)
    sizes = {
        "vocab_size": tokenizer.vocabulary.size, "embedding_size": narrow, "hidden_size": 24, "intermediate_size": 20,
        "num_hidden_layers": 4, "num_attention_heads": 3, "max_position_embeddings": 32, "type_vocab_size": 2,
    }  # fmt: skip
    groups = {"num_hidden_groups": 2} if kind.model_type == "albert" else {}
    with quiet_transformers() as transformers:
        torch.manual_seed(0)
        model = getattr(transformers, name)(getattr(transformers, name.split("For")[0] + "Config")(**sizes, **groups))
        with torch.no_grad():
            for p in model.parameters():
                p += 0.2 * torch.randn(p.shape)
        model.eval().save_pretrained(tmp_path / "m")
    save_for_transformers(tokenizer, tmp_path / "m", kind.head, 32)
    network, _ = load_model(tmp_path / "m")
    assert check_export(network, tokenizer, tmp_path / "m", texts) <= TOLERANCE
    export(network, tokenizer, tmp_path / "n", network.objective, network.backbone.settings)
    assert check_export(network, tokenizer, tmp_path / "n", texts) <= TOLERANCE


@pytest.mark.slow
def test_the_export_check_finds_damage(make, tokenizer, texts, tmp_path):
    network, objective, architecture = make("qwen3", tied=False)
    folder = tmp_path / "m"
    export(network, tokenizer, folder, objective, architecture)
    whole = load_file(folder / "model.safetensors")

    def write(state):
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    turned = whole | {"model.layers.0.mlp.up_proj.weight": whole["model.layers.0.mlp.gate_proj.weight"].clone()}
    write(turned)
    assert check_export(network, tokenizer, folder, texts) > 0.01
    write({name: value for name, value in whole.items() if name != "lm_head.weight"})
    with pytest.raises(DanluError, match=r"missing keys, lm_head\.weight among them"):
        check_export(network, tokenizer, folder, texts)
    write(whole | {"model.norm.weight": whole["model.norm.weight"] * float("nan")})
    with pytest.raises(DanluError, match="are not finite"):
        check_export(network, tokenizer, folder, texts)
    write(whole)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:-8]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(DanluError, match="AutoTokenizer's ids of '第七炉"):
        check_export(network, tokenizer, folder, texts)
