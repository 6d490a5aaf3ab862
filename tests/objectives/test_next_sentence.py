"""Next sentence prediction: pairs, their documents and labels, and regressions known from other implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sentence_store import Documents, chinese, english

from danlu.architectures import build_network
from danlu.errors import WrongInput
from danlu.objectives.next_sentence import NextSentence
from danlu.packing import pack
from danlu.registry import architectures

pass

ALONE = NextSentence.model_validate({"masked": False})
SINGLE_FRAME = NextSentence.model_validate({"masked": False, "form": "apart"})
LANGUAGES = {"english": (english, " "), "chinese": (chinese, "")}


def documents(folder, language="english", lengths=(1, 2, 3, 5, 9, 14), count=24, context=64, gap=None):
    sentences, between = LANGUAGES[language]
    between = between if gap is None else gap
    texts = [between.join(sentences(d, lengths[d % len(lengths)])) for d in range(count)]
    return Documents(folder, texts, context)


def pairs(made, objective, count):
    """(A, B, label) of all pairs of some examples."""
    found = []
    for example in made.examples(objective, count):
        sequences = example["text"]
        for i, seq in enumerate(sequences):
            if seq.sequence_labels["next"] >= 0:
                sides = [made.sides(s.inputs["token"]) for s in sequences[i : i + 2]]
                a, b = sides[0] if objective.form == "together" else (sides[0][0], sides[1][0])
                found.append((a, b, seq.sequence_labels["next"]))
    return found


def from_different_documents(made, a, b):
    """Whether two texts are not from one and the same document."""
    return len(made.of(a) | made.of(b)) > 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("objective", [ALONE, SINGLE_FRAME], ids=["together", "apart"])
def test_b_starts_the_next_sentence_or_is_of_another_document(tmp_path, language, objective):
    made = documents(tmp_path, language)
    seen = set()
    for a, b, label in pairs(made, objective, 2 * made.samples.units):
        if label:
            assert made.of(a + b)
            assert a.rstrip()[-1] in ".。"
            assert b.lstrip()[:1] in ("T", "第")
        else:
            assert from_different_documents(made, a, b)
        seen.add(label)
    assert seen == {0, 1}


@pytest.mark.parametrize("objective", [ALONE, SINGLE_FRAME], ids=["together", "apart"])
def test_half_of_the_pairs_are_true_and_lengths_do_not_reveal_which(tmp_path, objective):
    made = documents(tmp_path)
    found = pairs(made, objective, 900)
    labels = np.array([label for *_, label in found])
    assert abs(labels.mean() - 0.5) < 5 * 0.5 / len(labels) ** 0.5
    for side in (0, 1):
        sizes = np.array([len(pair[side]) for pair in found])
        one, other = sizes[labels == 1], sizes[labels == 0]
        error = (one.var() / len(one) + other.var() / len(other)) ** 0.5
        assert abs(one.mean() - other.mean()) < 5 * error


def test_pairs_have_special_tokens_segments_and_fit_the_context(tmp_path):
    made = documents(tmp_path, context=40)
    v = made.tokenizer.vocabulary
    assert made.samples.units > 8
    for example in made.examples(ALONE, made.samples.units):
        for seq in example["text"]:
            ids, segment = seq.inputs["token"], seq.inputs["segment"]
            ends = np.flatnonzero(ids == v.eos)
            assert ids[0] == v.bos
            assert (ids == v.bos).sum() == 1
            assert len(ends) == 2
            assert ends[-1] == len(ids) - 1
            assert segment.tolist() == [0] * (ends[0] + 1) + [1] * (ends[1] - ends[0])
            assert ends[0] > 1
            assert ends[1] > ends[0] + 1
            assert len(ids) <= 40


def test_masked_tokens_are_an_optional_second_term(tmp_path):
    made = documents(tmp_path, count=12)
    both, v = NextSentence.model_validate({"masked": 0.3}), made.tokenizer.vocabulary
    assert both.terms == ("next", "masked")
    hidden = total = 0
    for example in made.examples(both, made.samples.units):
        for seq in example["text"]:
            at = seq.labels["masked"] >= 0
            assert not np.isin(seq.inputs["token"][~at], [v.mask]).any()
            assert v.ordinary(seq.labels["masked"][at]).all()
            hidden, total = hidden + at.sum(), total + len(at)
    assert 0.2 < hidden / total < 0.35
    for none in (False, 0, 0.0):
        alone = NextSentence.model_validate({"masked": none})
        assert alone.terms == ("next",)
        assert not alone.fills_blanks
        assert all("masked" not in s.labels for e in made.examples(alone, 5) for s in e["text"])
    assert both.fills_blanks
    assert NextSentence.model_validate({"masked": {"unit": "word"}}).boundaries == {"word", "sentence"}


def test_a_text_without_a_partner_is_kept_for_masking(tmp_path):
    made = documents(tmp_path, lengths=(1, 3), count=10)
    both = NextSentence()
    sequences = [s for e in made.examples(both, made.samples.units) for s in e["text"]]
    alone = [s for s in sequences if s.sequence_labels["next"] < 0]
    assert alone
    assert len(alone) < len(sequences)
    assert all(len(made.sides(s.inputs["token"])) >= 1 for s in alone if (s.labels["masked"] < 0).all())


def test_random_partners_are_never_of_the_same_document(tmp_path):
    """Other implementations draw the partner without this check; here a document fills many windows, all of them
    excluded."""
    made = documents(tmp_path, lengths=(2, 30), count=6, context=48)
    random_pairs = [(a, b) for a, b, label in pairs(made, ALONE, 10 * made.samples.units) if not label]
    assert len(random_pairs) > 20
    assert all(from_different_documents(made, a, b) for a, b in random_pairs)


def test_blank_lines_between_sentences_do_not_affect_labels(tmp_path):
    made = documents(tmp_path, gap="\n\n")
    found = pairs(made, ALONE, 300)
    labels = [label for *_, label in found]
    assert abs(np.mean(labels) - 0.5) < 5 * 0.5 / len(labels) ** 0.5
    assert all(made.of(a + b) for a, b, label in found if label)


def test_empty_documents_are_skipped(tmp_path):
    texts = ["", *[" ".join(english(d, 3)) for d in range(8)], "", "", " ", " ".join(english(8, 3)), ""]
    made = Documents(tmp_path, texts, context=40)
    assert {made.store.document(i).size for i in (0, 9)} == {2}
    assert pairs(made, ALONE, 3 * made.samples.units)


def test_the_last_document_is_not_dropped(tmp_path):
    """Every document with two sentences starts a pair in an epoch, wherever it is."""
    made = documents(tmp_path, lengths=(2,), count=23)
    seen = set()
    for a, _, _ in pairs(made, ALONE, made.samples.units):
        seen |= made.of(a)
    # a document that a window cuts between its two sentences has no pair
    assert len(seen) >= 23 - made.samples.units
    assert 22 in seen


def test_a_single_document_is_refused_in_one_line(tmp_path):
    made = documents(tmp_path, lengths=(40,), count=1)
    assert made.samples.units > 3
    with pytest.raises(WrongInput, match="too few documents") as refused:
        made.examples(ALONE, 1)
    assert "\n" not in str(refused.value)


def test_figures_of_pairs_and_label_shares(tmp_path):
    made = documents(tmp_path)
    chosen = architectures.validate({"name": "transformer", "layers": 1, "width": 16, "heads": 2, "context": 64})
    for objective in (ALONE, SINGLE_FRAME, NextSentence()):
        model = build_network(objective, chosen, made.tokenizer.vocabulary.size, seed=0).eval()
        batch = pack(made.examples(objective, 30), objective.streams)
        n = objective.count_targets(batch)["next"]
        with torch.no_grad():
            figures = objective.judge(model, model.head, [batch], None)["figures"]
        labels = batch["text"].sequence_labels["next"]
        assert figures["pairs"] == len(figures["accuracy"]) == n > 20
        assert figures["share next"] == pytest.approx(float((labels == 1).sum() / n))
        assert figures["share next"] + figures["share random"] == pytest.approx(1)
        assert figures["accuracy of the more frequent label"] == max(figures["share next"], figures["share random"])
        assert set(figures["accuracy"].tolist()) <= {0.0, 1.0}


def test_impossible_settings_are_refused():
    with pytest.raises(ValidationError, match="less than 1"):
        NextSentence.model_validate({"masked": 1.5})
    with pytest.raises(ValidationError, match="did you mean 'rate'"):
        NextSentence.model_validate({"masked": {"rat": 0.1}})
    assert NextSentence.model_validate({"masked": True}) == NextSentence()
    with pytest.raises(ValidationError, match="reads both texts in one sequence; set form: together"):
        NextSentence(classifier="first_token", form="apart")


def test_the_classifier_reads_only_the_first_token(tmp_path):
    made = documents(tmp_path)
    objective = NextSentence.model_validate({"classifier": "first_token", "masked": False})
    chosen = architectures.validate({"name": "transformer", "layers": 1, "width": 16, "heads": 2, "context": 64})
    model = build_network(objective, chosen, made.tokenizer.vocabulary.size, seed=0).eval()
    text = pack(made.examples(objective, 5), objective.streams)["text"]
    at = torch.arange(len(text.offsets) - 1)[1:]
    hidden = model.hidden(text)
    (first,) = objective.sides(hidden, text, at)
    assert torch.equal(first, torch.stack([hidden[int(text.offsets[i])] for i in at]))
    assert model.head["pair"](first).shape == (len(at), 2)
    model(pack(made.examples(objective, 5), objective.streams))["next"].backward()
    assert model.head["pair"].dense.weight.shape == (16, 16)
    assert model.head["pair"].dense.weight.grad.abs().sum() > 0
    assert not objective.embeds_text
    assert NextSentence().embeds_text
