"""Model folders and checkpoints of earlier versions, made from current ones by restoring former names."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from danlu.architectures import build_network
from danlu.architectures.former_names import PREFIXES, with_current_names
from danlu.architectures.transformer import Transformer
from danlu.durable import sha256
from danlu.errors import WrongInput
from danlu.interop import export, load_model, save_native
from danlu.interop.model_loading import read_model
from danlu.objectives.causal import Causal
from danlu.objectives.spans import Spans
from danlu.registry import architectures
from danlu.settings import RenamedKey
from danlu.tasks.predictor import predictors
from danlu.training.checkpoint import Checkpoints, TrainingState
from danlu.training.optimizers import AdamW
from danlu.training.precision import Machine


def former_name(name):
    """The name of a weight in format 1."""
    for former, current in PREFIXES.items():
        if name.startswith(current):
            return former + name.removeprefix(current)
    return name


def with_former_names(path):
    """Rewrite a weights file with former names; return the names that changed."""
    state = load_file(path)
    save_file({former_name(name): value for name, value in state.items()}, path)
    return {name for name in state if former_name(name) != name}


def former_settings(kind, settings):
    """Return the settings under their former names."""
    former = {current: old for old, current in kind.renamed.items()}
    return {former.get(name, name): value for name, value in settings.items()}


def as_format_1(folder):
    """Rewrite a native model folder in format 1; return the names of weights that changed."""
    (folder / "manifest.json").unlink()
    facts = json.loads((folder / "danlu.json").read_text())
    kind = type(architectures.validate(facts["architecture"]))
    facts |= {"format": 1, "danlu": "0.1.0", "architecture": former_settings(kind, facts["architecture"])}
    (folder / "danlu.json").write_text(json.dumps(facts))
    return with_former_names(folder / "model.safetensors")


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


SHAPE = {"layers": 1, "width": 16, "heads": 2, "context": 16}
BART_LIKE = {"positions": "learned", "shared_embeddings": False}


@pytest.mark.parametrize(
    ("objective", "settings", "changed"),
    [
        (Causal(), {}, {"embeddings.token.weight"}),
        (Spans(sentinels=9), BART_LIKE, {"decoder_embeddings.token.weight", "decoder_embeddings.position.weight"}),
        (None, {}, {"head.dense.weight"}),
    ],
)
def test_a_folder_of_format_1_is_converted_without_a_warning(objective, settings, changed, make, tokenizer, tmp_path):
    if objective is None:
        network, objective, architecture = make("modernbert")
    else:
        architecture = Transformer(**SHAPE, **settings)
        network = build_network(objective, architecture, tokenizer.vocabulary.size, 3)
    save_native(network, tokenizer, tmp_path / "m", objective, architecture)
    assert json.loads((tmp_path / "m" / "danlu.json").read_text())["format"] == 2
    assert changed <= as_format_1(tmp_path / "m")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RenamedKey)
        saved = read_model(tmp_path / "m")
    assert equal(network.state_dict(), saved.network.state_dict())
    assert (saved.facts.format, saved.facts.architecture) == (2, architecture)


def test_an_export_of_format_1_keeps_the_names_of_transformers(make, tokenizer, tmp_path):
    network, objective, architecture = make("modernbert")
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    assert as_format_1(tmp_path / "m") == {"head.dense.weight", "head.norm.weight"}  # ModernBERT's own names
    names = {former_name(n): n for n in ("head.dense.weight", "head.norm.weight")}
    stored = load_file(tmp_path / "m" / "model.safetensors")
    save_file({names.get(n, n): v for n, v in stored.items()}, tmp_path / "m" / "model.safetensors")
    assert equal(network.state_dict(), load_model(tmp_path / "m")[0].state_dict())


def test_a_fine_tuned_model_of_format_1_predicts_the_same(tokenizer, tmp_path):
    head = predictors.validate({"name": "classify", "classes": ["a", "b"], "full": False, "max_tokens": 8})
    architecture = Transformer(**SHAPE)
    network = build_network(head.objective(), architecture, tokenizer.vocabulary.size, 3, Causal())
    save_native(network, tokenizer, tmp_path / "m", Causal(), architecture, head)
    texts = ["The furnace", "炉"]
    before = head.answer(network.eval(), tokenizer, texts)
    assert {"head.1.weight", "head.1.bias"} <= as_format_1(tmp_path / "m")
    saved = read_model(tmp_path / "m")
    assert saved.facts.predictor.answer(saved.network, saved.tokenizer, texts) == before


@pytest.mark.parametrize("found", [3, 0, "two", None])
def test_an_unknown_format_is_refused_in_one_line(found, make, tokenizer, tmp_path):
    network, objective, architecture = make("llama")
    save_native(network, tokenizer, tmp_path / "m", objective, architecture)
    (tmp_path / "m" / "manifest.json").unlink()
    facts = json.loads((tmp_path / "m" / "danlu.json").read_text())
    (tmp_path / "m" / "danlu.json").write_text(json.dumps(facts | {"format": found, "danlu": "9.1", "novelty": 1}))
    with pytest.raises(WrongInput, match=r"danlu 9\.1\); this version, .*, reads formats 1 to 2: upgrade") as refused:
        load_model(tmp_path / "m")
    assert "\n" not in str(refused.value)


def test_a_checkpoint_of_an_earlier_version_is_loaded(make, tmp_path):
    network, _, _ = make("modernbert")
    machine = Machine("cpu", "float32", 1)
    optimizers = AdamW().build(network, machine)
    for p in network.parameters():
        p.grad = torch.ones_like(p)
    for optimizer in optimizers:
        optimizer.step()
    checkpoints, position = Checkpoints(tmp_path), TrainingState(step=4)
    checkpoints.save(position, network, optimizers)
    folder = checkpoints.path(4)
    for name in ("weights.safetensors", "optimizer.safetensors"):
        assert any(n.startswith("head.dense.weight") for n in with_former_names(folder / name))
    listed = {p.name: {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in folder.glob("*[!.json]")}
    (folder / "manifest.json").write_text(json.dumps(listed))
    again, _, _ = make("modernbert")
    built = AdamW().build(again, machine)
    checkpoints.load(position, again, built)
    assert equal(network.state_dict(), again.state_dict())
    for one, other in zip(optimizers, built, strict=True):
        mine, theirs = one.state_dict()["state"], other.state_dict()["state"]
        assert mine.keys() == theirs.keys()
        assert all(equal(mine[k], theirs[k]) for k in mine)


def test_names_without_a_former_prefix_are_unchanged():
    names = ["backbone.embedders.x", "head.parts.y", "partsy", "output_bias"]
    assert list(with_current_names(dict.fromkeys(names))) == names
