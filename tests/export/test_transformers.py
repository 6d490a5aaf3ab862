"""Exported folders give the same numbers in transformers."""

import json
import socket
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from danlu.architectures import build_learner
from danlu.architectures.presets import FAMILIES
from danlu.errors import DanluError, WrongInput
from danlu.evaluation.rewriting import BLANK
from danlu.export import check_export, export, load_model
from danlu.export.checking import difference, load_strictly, shown
from danlu.export.quiet_transformers import quiet_transformers
from danlu.model import Model
from danlu.waist import Fields, Seq, causal_order, pack

TOLERANCE = 1e-4

T5_1_0 = {"gated": False, "activation": "relu", "tied": True, "scaled_head": True}

CASES = {
    "qwen3": [
        {},
        {"tied": False, "heads": 4, "kv_heads": 2, "head_width": 10, "layers": 3, "theta": 5e5},
        {"layers": 1, "heads": 3, "kv_heads": 1, "width": 25, "head_width": 4, "epsilon": 1e-3, "hidden": None},
    ],
    "llama": [
        {},
        {"tied": False, "heads": 6, "kv_heads": 2, "head_width": 10, "layers": 3, "theta": 5e5},
        {"layers": 1, "bias": True, "kv_heads": 1, "epsilon": 1e-3, "hidden": None, "dropout": 0.5},
    ],
    "modernbert": [
        {},
        {"tied": False, "heads": 1, "layers": 3, "theta": 5e5},
        {"layers": 1, "heads": 2, "width": 20, "hidden": None, "dropout": 0.5, "epsilon": 1e-4},
        {"layers": 5, "window": 3, "theta": 16e4, "local_theta": 5e3},
        {"layers": 3, "window": 1, "global_every": 2},
    ],
    "gpt2": [{}, {"tied": False, "layers": 3, "heads": 4}, {"layers": 1, "hidden": None, "epsilon": 1e-3}],
    "bert": [{}, {"layers": 3, "heads": 4, "segments": 3}, {"layers": 1, "hidden": None, "epsilon": 1e-3}],
    "roberta": [{}, {"layers": 3, "heads": 4, "segments": 2}, {"layers": 1, "hidden": None, "epsilon": 1e-3}],
    "t5": [
        {},
        {**T5_1_0, "heads": 4, "head_width": 10, "decoder_layers": 3, "buckets": 8, "farthest": 20},
        {"layers": 1, "hidden": None, "epsilon": 1e-3, "activation": "silu", "dropout": 0.5},
    ],
    "bart": [
        {},
        {"layers": 1, "heads": 4, "decoder_layers": 3, "scaled_embeddings": True},
        {"hidden": None, "dropout": 0.5},
    ],
}


def test_without_transformers_the_extra_is_named(make, tokenizer, texts, tmp_path, monkeypatch):
    learner, objective, architecture = make("llama")
    export(learner, tokenizer, tmp_path / "m", objective, architecture)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(WrongInput, match=r"pip install 'danlu\[demo\]'"):
        check_export(learner, tokenizer, tmp_path / "m", texts)
    with pytest.raises(WrongInput, match="no text to compare"):
        check_export(learner, tokenizer, tmp_path / "m", [])


@pytest.mark.slow
@pytest.mark.parametrize(("family", "change"), [(f, c) for f, cases in CASES.items() for c in cases])
def test_logits_are_equal(family, change, make, tokenizer, texts, tmp_path, monkeypatch, capfd):
    def refused(*args, **kwargs):
        raise AssertionError("an export is checked without the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    learner, objective, architecture = make(family, **change)
    export(learner, tokenizer, tmp_path / "m", objective, architecture)
    found = check_export(learner, tokenizer, tmp_path / "m", [*texts, "long " * 300])
    assert found <= TOLERANCE
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    print(f"{family} {change}: {found:.2e}")


@pytest.mark.slow
def test_t5_is_equal_beyond_rounding(make, tokenizer, texts, tmp_path, monkeypatch):
    """In float64 on both sides; transformers' T5 norm would compute a part of it in float32."""
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    def norm(self, x):
        return torch.nn.functional.rms_norm(x, x.shape[-1:], self.weight, self.variance_epsilon)

    monkeypatch.setattr(T5LayerNorm, "forward", norm)
    learner, objective, architecture = make("t5", heads=4, head_width=10)
    with torch.no_grad():
        for p in learner.parameters():
            p += 0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(5))
    export(learner, tokenizer, tmp_path / "m", objective, architecture)
    with quiet_transformers() as transformers:
        theirs = load_strictly(transformers, tmp_path / "m", next(f for f in FAMILIES if f.model_type == "t5"))
    for text in texts:
        ids = shown(tokenizer, text, "spans", architecture.context)
        assert difference(learner.double(), theirs.double(), ids, "spans") <= 1e-11


@pytest.mark.slow
@pytest.mark.parametrize(("family", "change"), [(f, c) for f, cases in CASES.items() for c in cases])
def test_every_weight_and_constant_takes_part(family, change, make, tokenizer, texts, tmp_path):
    """Equal logits say something: a change of any one weight, of theta or of epsilon shows."""
    learner, objective, architecture = make(family, **change)
    export(learner, tokenizer, tmp_path / "m", objective, architecture)
    kind = next(f for f in FAMILIES if f.model_type == family)
    ids = shown(tokenizer, texts[0], kind.objective, architecture.context)
    with quiet_transformers() as transformers:
        theirs = load_strictly(transformers, tmp_path / "m", kind)
    state = {name: value.clone() for name, value in learner.state_dict().items()}
    rotary = architecture.positions == "rotary"
    for name, value in state.items():
        if name.endswith("key.bias") and (not rotary or "cross" in name):
            continue  # adds the same to every score of a query, which softmax does not see
        learner.load_state_dict(state | {name: value + 0.1 * torch.randn_like(value)})
        assert difference(learner, theirs, ids, kind.objective) > 10 * TOLERANCE, name
    others = [("theta", 2)] * rotary + [("window", 2)] * bool(architecture.window)
    others += [("local_theta", 2)] * bool(architecture.local_theta)
    if family != "bart":  # whose epsilon no config says
        others.append(("epsilon", 1e-2 / architecture.epsilon))
    for setting, factor in others:
        other = build_learner(
            objective,
            architecture.model_copy(update={setting: factor * getattr(architecture, setting)}),
            learner.vocabulary_size,
            0,
        )
        other.load_state_dict(state)
        assert difference(other.eval(), theirs, ids, kind.objective) > 10 * TOLERANCE, setting


@pytest.mark.slow
@pytest.mark.parametrize("family", CASES)
def test_what_transformers_saves_is_read_back(family, make, tokenizer, texts, tmp_path):
    learner, objective, architecture = make(family, **CASES[family][1])
    made = export(learner, tokenizer, tmp_path / "m", objective, architecture)
    with quiet_transformers() as transformers:
        model = getattr(transformers, made.class_name).from_pretrained(tmp_path / "m", local_files_only=True)
        model.save_pretrained(tmp_path / "n")
        transformers.AutoTokenizer.from_pretrained(tmp_path / "m").save_pretrained(tmp_path / "n")
    again, its = load_model(tmp_path / "n")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in learner.state_dict().items())
    assert [its.encode(text).tolist() for text in texts] == [tokenizer.encode(text).tolist() for text in texts]
    assert check_export(again, its, tmp_path / "n", texts) <= TOLERANCE


THEIRS = {
    "T5 1.0": ("T5", {"d_kv": 5, "d_ff": 30, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 3}),
    "T5 1.1": ("T5", {"d_kv": 8, "d_ff": 30, "num_layers": 1, "num_heads": 2, "feed_forward_proj": "gated-gelu"}),
    "BART": ("Bart", {"encoder_layers": 2, "decoder_layers": 1, "scale_embedding": True}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", THEIRS)
def test_an_encoder_decoder_that_transformers_made_is_read(name, tokenizer, texts, tmp_path):
    kind, sizes = THEIRS[name]
    family = next(f for f in FAMILIES if f.model_type == kind.lower())
    sides = ("encoder_attention_heads", "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim")
    sizes = sizes | ({} if kind == "T5" else dict.fromkeys(sides, 4))
    with quiet_transformers() as transformers:
        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(
            vocab_size=tokenizer.vocabulary.size, d_model=24, pad_token_id=0, bos_token_id=1, eos_token_id=2,
            decoder_start_token_id=0, **sizes, **({"tie_word_embeddings": False} if name == "T5 1.1" else {}),
        )  # fmt: skip
        model = getattr(transformers, family.class_name)(config)
        if name == "T5 1.1":  # transformers 5 ties a new one's head, which published ones do not
            model.lm_head.weight = torch.nn.Parameter(torch.randn(tokenizer.vocabulary.size, 24))
        for parameter in model.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        model.save_pretrained(tmp_path / "n")
        tokenizer.save(tmp_path / "n")
    learner, its = load_model(tmp_path / "n")
    assert its.vocabulary == tokenizer.vocabulary
    for text in texts:
        ids = shown(tokenizer, text, family.objective, 64)
        assert difference(learner, model.eval(), ids, family.objective) <= TOLERANCE
    made = export(learner, tokenizer, tmp_path / "m", learner.objective, learner.backbone.settings)
    assert made.class_name == family.class_name
    assert check_export(learner, tokenizer, tmp_path / "m", texts) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt2"])
def test_greedy_continuations_are_equal(family, make, tokenizer, texts, tmp_path):
    shared = {} if family == "gpt2" else {"kv_heads": 2, "head_width": 8}
    learner, objective, architecture = make(family, heads=4, context=64, **shared)
    export(learner, tokenizer, tmp_path / "m", objective, architecture)
    with quiet_transformers() as transformers, torch.no_grad():
        auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
        model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m")
        assert (model.generation_config.eos_token_id, model.generation_config.pad_token_id) == (2, 0)
        inputs = auto(texts[0], return_tensors="pt")
        given = model.generate(**inputs, max_new_tokens=20, do_sample=False)[0].tolist()
    ids = [tokenizer.vocabulary.bos, *tokenizer.encode(texts[0]).tolist()]
    with torch.no_grad():
        for _ in range(20):
            seq = Seq({"token": np.array(ids)}, causal_order(len(ids)))
            hidden = learner.hidden(pack([{"text": [seq]}], {"text": Fields()})["text"])
            ids.append(int(learner.token_logits(hidden[-1:]).argmax()))
            if ids[-1] == tokenizer.vocabulary.eos:
                break
    assert given == ids


@pytest.mark.slow
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_greedy_rewriting_is_equal(family, make, tokenizer, tmp_path):
    """Of texts with blanks, by `danlu.load` and by the exported folder's own generate, with random weights, which say
    any token; the ids differ in nothing but what danlu leaves out at the ends."""
    learner, objective, architecture = make(family, heads=4, context=64)
    export(learner, tokenizer, tmp_path / "m", objective, architecture)
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
        assert inputs["input_ids"][0].tolist() == objective.read(parts, vocabulary).tolist()
        begin = objective.begin(vocabulary)
        assert given[: len(begin)].tolist() == begin.tolist()
        made = given[len(begin) :]
        made = made[: np.flatnonzero(made == vocabulary.eos)[0]] if vocabulary.eos in made else made
        expected = tokenizer.decode(objective.written(parts, made, vocabulary))
        tokens = 20 - (len(begin) - 1)
        assert model.generate(text, tokens=tokens, temperature=0) == expected
        assert vocabulary.ordinary(made).sum() > 3
        lengths.add(len(made))
    assert max(lengths) > 5


@pytest.mark.slow
@pytest.mark.parametrize(("family", "task"), [(f.model_type, f.pipeline) for f in FAMILIES])
def test_the_pipeline_of_the_card_runs(family, task, make, tokenizer, tmp_path):
    learner, objective, architecture = make(family)
    export(learner, tokenizer, tmp_path / "m", objective, architecture)
    with quiet_transformers() as transformers:
        auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
        assert set(auto("a")) == {"input_ids", "attention_mask"}
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
        else:
            assert pipe("The furnace", max_new_tokens=3, do_sample=False)[0]["generated_text"]


@pytest.mark.slow
def test_what_is_wrong_with_a_folder_is_found(make, tokenizer, texts, tmp_path):
    learner, objective, architecture = make("qwen3", tied=False)
    folder = tmp_path / "m"
    export(learner, tokenizer, folder, objective, architecture)
    whole = load_file(folder / "model.safetensors")

    def write(state):
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    turned = whole | {"model.layers.0.mlp.up_proj.weight": whole["model.layers.0.mlp.gate_proj.weight"].clone()}
    write(turned)
    assert check_export(learner, tokenizer, folder, texts) > 0.01
    write({name: value for name, value in whole.items() if name != "lm_head.weight"})
    with pytest.raises(DanluError, match=r"missing keys, lm_head\.weight among them"):
        check_export(learner, tokenizer, folder, texts)
    write(whole | {"model.norm.weight": whole["model.norm.weight"] * float("nan")})
    with pytest.raises(DanluError, match="are not all numbers"):
        check_export(learner, tokenizer, folder, texts)
    write(whole)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:-8]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(DanluError, match="AutoTokenizer's ids of '第七炉"):
        check_export(learner, tokenizer, folder, texts)
