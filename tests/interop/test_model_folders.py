"""Saving and loading folders, without transformers."""

import json
import re
import shutil

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from danlu import durable
from danlu.errors import WrongInput
from danlu.interop import Export, NotExported, Origin, export, load_model, save_native

FAMILIES = {"qwen3": "Qwen3ForCausalLM", "llama": "LlamaForCausalLM", "modernbert": "ModernBertForMaskedLM"}


def equal_states(a, b):
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) and one[k].dtype == two[k].dtype for k in one)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_round_trip_is_bit_equal(family, tied, make, tokenizer, tmp_path):
    network, objective, architecture = make(family, tied=tied, dropout=0.1)
    made = export(network, tokenizer, tmp_path / "m", objective, architecture)
    assert made == Export(family, tmp_path / "m", FAMILIES[family])
    again, its = load_model(tmp_path / "m")
    assert equal_states(network, again)
    assert (again.objective, again.backbone.settings) == (objective, architecture)
    assert its.fingerprint == tokenizer.fingerprint
    assert its.facts == tokenizer.facts
    assert durable.damage(tmp_path / "m") is None
    (tmp_path / "m" / "danlu.json").unlink()  # like a folder saved by transformers
    (tmp_path / "m" / "manifest.json").unlink()
    assert equal_states(network, load_model(tmp_path / "m")[0])


def test_native_round_trip_of_an_architecture_without_a_family(make, tokenizer, tmp_path):
    network, objective, architecture = make("llama", norm="layer", positions="learned", gated=False, activation="relu2")
    made = export(network, tokenizer, tmp_path / "m", objective, architecture)
    assert isinstance(made, NotExported)
    assert "LlamaForCausalLM: set norm: rms (currently layer)" in made.reason
    assert not (tmp_path / "m").exists()
    save_native(network, tokenizer, tmp_path / "m", objective, architecture)
    assert json.loads((tmp_path / "m" / "danlu.json").read_text())["weights"] == "danlu"
    again, its = load_model(tmp_path / "m")
    assert equal_states(network, again)
    assert its.fingerprint == tokenizer.fingerprint


def test_a_mixture_is_saved_natively(tokenizer, tmp_path):
    from danlu.architectures import build_network
    from danlu.architectures.transformer import Transformer
    from danlu.objectives.causal import Causal
    from danlu.objectives.masked import Masked
    from danlu.objectives.mixture import Mixture

    mixture, small = Mixture(of={"a": Causal(), "b": Masked()}), Transformer(layers=1, width=8, heads=2)
    network = build_network(mixture, small, tokenizer.vocabulary.size, 0)
    assert isinstance(export(network, tokenizer, tmp_path / "m", mixture, small), NotExported)
    save_native(network, tokenizer, tmp_path / "m", mixture, small)
    assert equal_states(network, load_model(tmp_path / "m")[0])


def test_tied_weights_are_stored_once_and_a_padded_vocabulary_is_kept(tokenizer, tmp_path, make):
    from danlu.architectures import build_network

    _, objective, architecture = make("qwen3")
    size = tokenizer.vocabulary.size + 13
    network = build_network(objective, architecture, size, 0)
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    stored = load_file(tmp_path / "m" / "model.safetensors")
    assert sum(v.numel() for v in stored.values()) == sum(p.numel() for p in network.parameters())
    assert load_model(tmp_path / "m")[0].vocabulary_size == size
    small = build_network(objective, architecture, 9, 0)
    with pytest.raises(WrongInput, match="entries, the model 9;"):
        export(small, tokenizer, tmp_path / "n", objective, architecture)


def test_the_model_card(make, tokenizer, tmp_path):
    network, objective, architecture = make("qwen3")
    origin = Origin(languages=("en", "no"), corpus="Python's own documentation", tokens=1234567, license="apache-2.0")
    export(network, tokenizer, tmp_path / "m", objective, architecture, origin)
    card = (tmp_path / "m" / "README.md").read_text()
    front = card.split("---\n")[1]
    assert front.splitlines() == [
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "language:",
        '- "en"',
        '- "no"',
        'license: "apache-2.0"',
        "tags:",
        "- danlu",
    ]
    assert "- trained on: Python's own documentation\n- tokens seen in training: 1,234,567\n" in card


def load_error(path):
    """Load and return the message of WrongInput, which must be one line."""
    with pytest.raises(WrongInput) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=["export", "native"])
def saved(request, make, tokenizer, tmp_path):
    network, objective, architecture = make("modernbert")
    if request.param == "export":
        export(network, tokenizer, tmp_path / "m", objective, architecture)
    else:
        save_native(network, tokenizer, tmp_path / "m", objective, architecture)
    return tmp_path / "m"


@pytest.mark.parametrize("manifest", [True, False])
def test_truncated_weights_are_reported(saved, manifest):
    weights = saved / "model.safetensors"
    whole = weights.read_bytes()
    if not manifest:
        (saved / "manifest.json").unlink()
    for length in (0, 7, 100, len(whole) - 1):
        weights.write_bytes(whole[:length])
        assert "model.safetensors is damaged" in load_error(saved)
    weights.unlink()
    assert "model.safetensors is missing" in load_error(saved)


def test_a_flipped_byte_is_reported(saved):
    for name in ("model.safetensors", "tokenizer.json", "danlu.json"):
        whole = (saved / name).read_bytes()
        middle = len(whole) // 2
        (saved / name).write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        assert f"{name} is damaged" in load_error(saved)
        (saved / name).write_bytes(whole)
    (saved / "README.md").write_text("edited by hand\n")
    load_model(saved)


def test_damage_without_a_manifest_is_reported(saved):
    (saved / "manifest.json").unlink()
    facts = (saved / "danlu.json").read_text()
    for text, words in [
        (facts[:30], "damaged"),
        ("[]", "damaged"),
        (facts.replace('"layers": 2', '"layers": 1'), "unknown weight"),
        (facts.replace('"layers": 2', '"layers": 3'), "lacks weight"),
        (facts.replace('"ffn_dim": 40', '"ffn_dim": 41'), "not"),
        (facts.replace('"layers": 2', '"layerz": 2'), "layerz"),
        (facts.replace('"name": "masked"', '"name": "maskd"'), "did you mean 'masked'"),
        (facts.replace('"format": 2', '"format": 3'), "format is 3 .* reads formats 1 to 2: upgrade danlu"),
        (re.sub('"weights": "[a-z]+"', '"weights": "qwen4"', facts), "did you mean 'qwen3'"),
        (re.sub('"size": [0-9]+', '"size": 9', facts), "are not from the same model"),
    ]:
        assert text != facts
        (saved / "danlu.json").write_text(text)
        assert re.search(words, load_error(saved))


def test_unsupported_folders_are_refused(saved, tmp_path):
    assert "is not a folder" in load_error(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "neither danlu.json nor config.json" in load_error(tmp_path / "empty")
    for name in ("danlu.json", "manifest.json"):
        (saved / name).unlink()
    config = {"model_type": "gptj", "architectures": ["GPTJForCausalLM"]}
    (saved / "config.json").write_text(json.dumps(config))
    assert "model_type 'gptj' is not supported; did you mean 'gpt2'" in load_error(saved)
    (saved / "config.json").write_text("{")
    assert "config.json is damaged" in load_error(saved)
    (saved / "config.json").write_text("[]")
    assert "config.json is damaged" in load_error(saved)
    (saved / "tokenizer.json").unlink()
    assert "has no tokenizer.json" in load_error(saved)


def test_an_inconsistent_config_is_refused(make, tokenizer, tmp_path):
    network, objective, architecture = make("modernbert")
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    for name in ("danlu.json", "manifest.json"):
        (tmp_path / "m" / name).unlink()
    for change, words in [
        ({"hidden_size": 25}, "width 25 is not a multiple of heads"),
        ({"vocab_size": "many"}, "vocab_size is 'many'"),
        ({"vocab_size": 9}, "are not from the same model"),
        ({"layer_types": ["sliding_attention", "full_attention"]}, "layer_types are irregular"),
    ]:
        (tmp_path / "m" / "config.json").write_text(json.dumps(config | change))
        assert words in load_error(tmp_path / "m")


def test_sharded_weights_are_refused(saved):
    (saved / "manifest.json").unlink()
    (saved / "model.safetensors").rename(saved / "model-00001-of-00002.safetensors")
    (saved / "model.safetensors.index.json").write_text("{}")
    assert "split into several files" in load_error(saved)


def test_only_a_saved_model_is_replaced(make, tokenizer, tmp_path):
    network, objective, architecture = make("llama")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    for save in (export, save_native):
        with pytest.raises(WrongInput, match="is not a model saved by danlu"):
            save(network, tokenizer, tmp_path / "home", objective, architecture)
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"
    shutil.rmtree(tmp_path / "home")
    (tmp_path / "home").mkdir()
    for save in (export, save_native, export):
        save(network, tokenizer, tmp_path / "home", objective, architecture)
    assert equal_states(network, load_model(tmp_path / "home")[0])


def test_a_full_disk_is_reported_in_one_line(make, tokenizer, tmp_path, monkeypatch):
    network, objective, architecture = make("llama")

    def full(*args, **kwargs):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("danlu.training.weights.save_file", full)
    with pytest.raises(WrongInput, match="the disk is full"):
        export(network, tokenizer, tmp_path / "m", objective, architecture)
    assert not (tmp_path / "m").exists()


def test_weights_of_two_dtypes_are_refused(make, tokenizer, tmp_path):
    network, objective, architecture = make("llama")
    network.backbone.final_norm.half()
    with pytest.raises(WrongInput, match="float16 and float32"):
        export(network, tokenizer, tmp_path / "m", objective, architecture)
