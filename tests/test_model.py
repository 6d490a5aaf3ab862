"""Use of a trained model: generation, filling blanks, embedding."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.api.model import Model, load
from danlu.architectures import build_network
from danlu.batch import Seq, StreamSpec, causal_order
from danlu.errors import WrongInput
from danlu.evaluation.generation import Sampling
from danlu.evaluation.text_to_text import BLANK, encode_sources
from danlu.packing import pack
from danlu.registry import architectures, objectives
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.training.precision import AVAILABLE

TEXTS = ["The furnace refines the pill.", "第七炉丹药要慢火烧，急了就坏了。", "smoke over the hills 🔥"]
TOKENIZER = ByteBPE(size=300).train(TEXTS * 3).with_sentinels(5)


def model_of(objective, architecture="transformer", context=48):
    size = {} if architecture in ("recurrent", "convolutional") else {"heads": 2}
    chosen = architectures.validate({"name": architecture, "layers": 2, "width": 16, "context": context} | size)
    network = build_network(objectives.validate(objective), chosen, TOKENIZER.vocabulary.size, seed=0).double()
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return Model(network, TOKENIZER, context)


CAUSAL, MASKED = model_of("causal"), model_of("masked")
SPANS, DENOISING = model_of({"name": "spans", "sentinels": 5}, "t5"), model_of("denoising", "bart")


@given(st.lists(st.integers(4, TOKENIZER.vocabulary.size - 6), max_size=30))
def test_streamed_text_equals_decoded_text_without_partial_characters(ids):
    stream = TOKENIZER.stream()
    pieces = [stream.add(i) for i in ids]
    assert not any(piece.endswith("\ufffd") for piece in pieces)
    assert "".join(pieces) + stream.end() == TOKENIZER.decode(ids)


@pytest.mark.parametrize("text", TEXTS)
def test_characters_are_streamed_as_soon_as_complete(text):
    stream = TOKENIZER.stream()
    shown = "".join(stream.add(int(i)) for i in TOKENIZER.encode(text))
    assert shown == text
    assert stream.end() == ""


def test_streamed_text_equals_the_returned_text():
    shown = []
    text = CAUSAL.generate("The furnace", tokens=20, temperature=1.5, seed=2, show=shown.append)
    assert text == "The furnace" + "".join(shown)


def test_a_stop_text_ends_generation_and_is_left_out():
    whole = CAUSAL.generate("The", tokens=30, temperature=1.0, seed=1)
    middle = whole[len("The") + 5 : len("The") + 7]
    cut = CAUSAL.generate("The", tokens=30, temperature=1.0, seed=1, stop=[middle])
    assert cut == whole[: whole.index(middle, 3)]


@pytest.mark.parametrize("architecture", ["transformer", "gpt2", "recurrent", "convolutional"])
@pytest.mark.parametrize("sampling", [Sampling(tokens=12, temperature=0), Sampling(tokens=12, temperature=1.2, seed=3)])
def test_batched_prompts_equal_single_prompts(architecture, sampling):
    model = model_of("causal", architecture)
    prompts = ["The", "", "第七炉丹药要慢火烧", "smoke over the hills " * 2, "a"]
    alone = [model.generate_many([prompt], sampling)[0] for prompt in prompts]
    assert model.generate_many(prompts, sampling) == alone
    assert len(set(alone)) == len(prompts)


def test_the_repetition_penalty_equals_that_of_transformers():
    from transformers import RepetitionPenaltyLogitsProcessor

    from danlu.evaluation.generation import apply_repetition_penalty

    logits = torch.randn(9, generator=torch.Generator().manual_seed(0))
    previous_ids = np.array([2, 5, 5, 7])
    expected = RepetitionPenaltyLogitsProcessor(1.7)(torch.from_numpy(previous_ids)[None], logits[None].clone())[0]
    assert torch.equal(apply_repetition_penalty(logits.clone(), previous_ids, 1.7), expected)
    assert torch.equal(apply_repetition_penalty(logits, previous_ids, 1.0), logits)


def test_a_repetition_penalty_reduces_repetition():
    plain, strict = (CAUSAL.generate("The", tokens=40, temperature=0, repetition_penalty=p) for p in (1.0, 5.0))
    kinds = [len(set(TOKENIZER.encode(text).tolist())) for text in (plain, strict)]
    assert kinds[1] > kinds[0]


@pytest.mark.parametrize("text", ["The <mask> refines the ___.", "第七炉[MASK]要慢火烧", "<mask>"])
def test_each_blank_gets_candidates_with_probabilities(text):
    found = MASKED.fill(text, top=TOKENIZER.vocabulary.size)
    assert len(found) == text.count("<mask>") + text.count("[MASK]") + text.count("___")
    for blank in found:
        chances = [chance for _, chance in blank]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1)
        special = {TOKENIZER.token(i) for i in TOKENIZER.vocabulary.special}
        assert all(chance == 0 for token, chance in blank if token in special)


def test_joint_filling_conditions_blanks_on_each_other():
    text = "The <mask> refines <mask> pill."
    first, second = MASKED.fill(text, joint=True)
    assert len(first) == len(second) == 1
    assert 0 < first[0][1] <= 1
    alone = MASKED.fill(text, top=1)
    surest = max((0, 1), key=lambda k: alone[k][0][1])
    assert (first, second)[surest][0][0] == alone[surest][0][0]


@pytest.mark.parametrize("model", [CAUSAL, MASKED], ids=["causal", "masked"])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_embeddings_do_not_depend_on_other_texts(model, pooling):
    texts = [*TEXTS, "", "The furnace refines the pill."]
    together = model.embed(texts, pooling=pooling)
    assert together.shape == (5, 16)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, np.concatenate([model.embed([t], pooling=pooling) for t in texts]), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.array_equal(together[0], together[4])
    assert not np.allclose(together[0], together[1])


def test_long_texts_are_truncated_with_a_warning(caplog):
    with caplog.at_level("WARNING"):
        vectors = MASKED.embed(["short", TEXTS[0] * 20], normalize=False)
    assert "1 of 2 texts are longer than 48 tokens" in caplog.text
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("text", ["The ___ refines the <mask>.", "第七炉[MASK]要慢火烧"])
def test_span_models_fill_blanks_and_keep_the_rest(text):
    parts = BLANK.split(text)
    for seed in range(5):
        made, at = SPANS.generate(text, tokens=30, temperature=1.5, seed=seed), 0
        for part in parts:
            found = made.find(part, at)
            assert found >= at
            at = found + len(part)


@pytest.mark.parametrize("model", [SPANS, DENOISING], ids=["spans", "denoising"])
@pytest.mark.parametrize("sampling", [Sampling(tokens=12, temperature=0), Sampling(tokens=12, temperature=1.2, seed=3)])
def test_batched_rewriting_equals_single_rewriting(model, sampling):
    texts = ["The ___", "___", "第七炉___要慢火烧，急了就坏了。", "smoke ___ the ___ 🔥", "___a"]
    alone = [model.generate_many([text], sampling)[0] for text in texts]
    assert model.generate_many(texts, sampling) == alone
    assert len(set(alone)) > 3


@pytest.mark.parametrize("model", [SPANS, DENOISING], ids=["spans", "denoising"])
@torch.no_grad()
def test_cached_rewriting_equals_full_passes(model):
    """Greedy decoding, with each token computed again from a full pass over everything before it."""
    network, vocabulary = model.network, TOKENIZER.vocabulary
    objective = network.objective
    parts = [TOKENIZER.encode("The furnace"), TOKENIZER.encode(" the pill.")]
    source = objective.source_ids(parts, vocabulary)
    memory = encode_sources(network, [source], model._machine)
    ids, num_start_ids = objective.decoder_start(vocabulary).tolist(), len(objective.decoder_start(vocabulary))
    never = sorted(vocabulary.special - {vocabulary.eos} - objective.allowed_special_tokens(vocabulary))
    for _ in range(20):
        seq = Seq({"token": np.array(ids)}, causal_order(len(ids)))
        hidden = network.decode(pack([{"text": [seq]}], {"text": StreamSpec()})["text"], memory)
        logits = network.token_logits(hidden[-1:])[0]
        logits[never] = -torch.inf
        ids.append(int(logits.argmax()))
        if ids[-1] == vocabulary.eos:
            break
    made = np.array([i for i in ids[num_start_ids:] if i != vocabulary.eos])
    expected = TOKENIZER.decode(objective.merge(parts, made, vocabulary))
    assert model.generate("The furnace ___ the pill.", tokens=20, temperature=0) == expected


def test_a_rewritten_text_is_streamed_and_ends_at_a_stop_text():
    shown = []
    whole = DENOISING.generate("The ___", tokens=30, temperature=1.0, seed=1, show=shown.append)
    assert "".join(shown) == whole
    cut = DENOISING.generate("The ___", tokens=30, temperature=1.0, seed=1, stop=[whole[4:6]])
    assert cut == whole[: whole.index(whole[4:6])]


@pytest.mark.parametrize("objective", ["spans", "denoising", "mixture"])
def test_any_transformer_can_rewrite_text(objective):
    spans = {"name": "spans", "sentinels": 5}
    mixture = {"name": "mixture", "of": {"spans": spans, "masked": "masked"}}
    chosen = {"spans": spans, "mixture": mixture}.get(objective, objective)
    for name in ("gpt2", "llama", "bert", "transformer"):
        model = model_of(chosen, name)
        assert model.rewrites_text
        assert isinstance(model.generate("The ___ pill", tokens=5, temperature=0), str)
        assert model.embed(["The pill"]).shape == (1, 16)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MASKED.generate("x"), "'masked', which does not continue text; load a causal one"),
        (lambda: CAUSAL.fill("a <mask>"), "'causal', which does not fill blanks; load a masked one"),
        (lambda: MASKED.fill("no blank"), "with <mask>, [MASK] or ___"),
        (lambda: SPANS.generate("no blank"), "with <mask>, [MASK] or ___"),
        (lambda: SPANS.generate("a ___ b ___ c ___ d ___ e ___"), "5 blanks; the model supports at most 4"),
        (lambda: SPANS.generate("___" + TEXTS[0] * 20), "tokens, more than the model's context of 48; shorten it"),
        (lambda: DENOISING.fill("a ___"), "'denoising', which does not fill blanks; load a masked one"),
        (lambda: MASKED.fill("<mask>" + TEXTS[0] * 20), "tokens, more than the model's context of 48; shorten it"),
        (lambda: MASKED.embed(["x"], pooling="men"), "unknown pooling 'men'; did you mean 'mean'"),
    ],
)
def test_unsupported_uses_of_a_model_are_refused_in_one_line(call, words):
    with pytest.raises(WrongInput) as refused:
        call()
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        pytest.mark.filterwarnings("ignore"),  # warnings of the compiler
    ],
)


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_a_model_gives_equal_results_on_every_device(device):
    causal, masked = (
        Model(copy.deepcopy(model.network).to(device), TOKENIZER, model.context) for model in (CAUSAL, MASKED)
    )
    sampling = Sampling(tokens=12, temperature=0)
    prompts = ["The furnace", "The", "第七炉"]
    assert causal.generate_many(prompts, sampling) == CAUSAL.generate_many(prompts, sampling)
    text = "The <mask> refines <mask> pill."
    for found, expected in zip(masked.fill(text), MASKED.fill(text), strict=True):
        assert [t for t, _ in found] == [t for t, _ in expected]
        assert [p for _, p in found] == pytest.approx([p for _, p in expected], rel=1e-4)
    for model, reference in ((causal, CAUSAL), (masked, MASKED)):
        np.testing.assert_allclose(model.embed(TEXTS), reference.embed(TEXTS), atol=1e-4)


def test_an_unavailable_device_is_refused_in_one_line(tmp_path):
    absent = next(name for name, available in AVAILABLE.items() if not available())
    with pytest.raises(WrongInput, match=f"device: this machine has no {absent}; it has .*cpu"):
        load(tmp_path, device=absent)
