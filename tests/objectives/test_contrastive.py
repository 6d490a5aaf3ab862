"""Views of texts, groups of documents, and the loss within groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sentence_store import Documents, english
from torch.nn import functional as F

from danlu.architectures import build_network
from danlu.config.schema import ModelRecipe
from danlu.errors import WrongInput
from danlu.objectives.contrastive import Contrastive
from danlu.objectives.masked_sentence import MaskedSentence
from danlu.objectives.mixture import Mixture
from danlu.objectives.relatedness import Relatedness
from danlu.objectives.sentences.group_similarity import Temperature
from danlu.packing import pack
from danlu.registry import architectures, objectives
from danlu.training.plan import units_of
from danlu.training.settings import TrainingSettings
from danlu.training.step import micro_batches, positions

pass

SMALL = {"name": "transformer", "layers": 1, "width": 16, "heads": 2, "context": 64}


@pytest.fixture
def made(tmp_path):
    return Documents(tmp_path, [" ".join(english(d, (3, 5, 9, 14)[d % 4])) for d in range(40)])


def network(made, objective, **settings):
    chosen = architectures.validate(SMALL | settings)
    model = build_network(objective, chosen, made.tokenizer.vocabulary.size, seed=0).double()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.2 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return model.eval()


@pytest.mark.parametrize("views", ["dropout", "crops", "neighbours"])
def test_views_share_a_document_and_groups_hold_different_documents(made, views):
    objective = Contrastive(views=views, group=4)
    for example in made.examples(objective, 12):
        first, second = (example[side] for side in ("first", "second"))
        assert len(first) == len(second) >= 4
        assert [s.sequence_labels["contrastive"] for s in first] == list(range(len(first)))
        documents = []
        for a, b in zip(first, second, strict=True):
            (one,), (other,) = made.sides(a.inputs["token"]), made.sides(b.inputs["token"])
            assert max(len(a.key), len(b.key)) <= 64
            if views == "dropout":
                assert one == other
            if views == "neighbours":
                assert made.of(one + other)
            documents.append(made.of(one) & made.of(other))
            assert documents[-1]
        assert len(set.union(*documents)) >= len(first)


def test_the_loss_is_the_softmax_over_the_group_in_both_directions(made):
    objective = Contrastive(group=3, temperature=0.1)
    model, examples = network(made, objective), made.examples(objective, 4)
    batch, expected = pack(examples, objective.streams), 0.0
    with torch.no_grad():
        u, v = (F.normalize(s.mean(model.hidden(s)), dim=1) for s in (batch["first"], batch["second"]))
        found = model(batch)["contrastive"]
        for group in range(4):
            rows = (batch["first"].group == group).nonzero().squeeze(1)
            scores = u[rows] @ v[rows].T / 0.1
            for i in range(len(rows)):
                expected -= float(scores[i].log_softmax(0)[i] + scores[:, i].log_softmax(0)[i])
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_a_learned_temperature_is_a_parameter_with_a_limit(made):
    fixed, learned = Contrastive(temperature=0.1), Contrastive(temperature=0.1, learned=True)
    model = build_network(learned, architectures.validate(SMALL), 400, seed=0)
    assert [n for n, _ in model.named_parameters() if n.startswith("head")] == ["head.temperature.log_scale"]
    assert not list(build_network(fixed, architectures.validate(SMALL), 400, seed=0).head.parameters())
    scale = model.head["temperature"]
    assert float(scale().detach()) == pytest.approx(10)
    with torch.no_grad():
        scale.log_scale.fill_(9.0)
    assert float(scale().detach()) == pytest.approx(100)


def test_a_learned_temperature_has_a_gradient_beyond_its_limit():
    """Regression: a factor that an update moved beyond the limit had no gradient and stayed there."""
    scale = Temperature(0.02, learned=True)
    with torch.no_grad():
        scale.log_scale.fill_(5.0)
    optimizer = torch.optim.SGD(scale.parameters(), lr=0.01)
    for _ in range(3):
        scale().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(scale().detach()) < 99


@pytest.mark.parametrize("objective", ["contrastive", "masked_sentence", "image_text"])
def test_a_learned_temperature_cannot_start_beyond_its_limit(objective):
    wanted = {"name": objective, "temperature": 0.009, "learned": True}
    with pytest.raises(
        ValidationError, match=r"temperature 0\.009 is below 0\.01, the minimum of a learned temperature; raise it"
    ):
        objectives.validate(wanted)
    assert objectives.validate(wanted | {"learned": False}).temperature == 0.009
    assert objectives.validate(wanted | {"temperature": 0.01}).temperature == 0.01


def test_dropout_views_differ_only_by_dropout(made):
    objective = Contrastive(views="dropout", group=3)
    model = network(made, objective, dropout=0.2)
    batch = pack(made.examples(objective, 2), objective.streams)

    def vectors():
        return [batch[side].mean(model.hidden(batch[side])) for side in ("first", "second")]

    with torch.no_grad():
        one, other = vectors()
        assert torch.equal(one, other)
        model.train()
        one, other = vectors()
        assert not torch.allclose(one, other)


def test_held_out_dropout_views_are_evaluated_with_dropout(made):
    """Regression: without dropout a text was compared with itself, and the held-out loss only measured uniformity."""
    objective = Contrastive(views="dropout", group=3, temperature=0.1)
    model = network(made, objective, dropout=0.2)
    model.label_smoothing = 0.1  # only for training
    model.head.train()  # every submodule keeps its mode
    batch, expected = pack(made.examples(objective, 2), objective.streams, [5, 6]), 0.0
    generator, modes = torch.get_rng_state(), [m.training for m in model.modules()]
    with torch.no_grad():
        found, again = (float(model(batch)["contrastive"]) for _ in range(2))
        assert torch.equal(torch.get_rng_state(), generator)
        assert [m.training for m in model.modules()] == modes
        u = F.normalize(batch["first"].mean(model.hidden(batch["first"])), dim=1)
        for group in range(2):
            rows = (batch["first"].group == group).nonzero().squeeze(1)
            expected -= 2 * float((u[rows] @ u[rows].T / 0.1).log_softmax(1).diagonal().sum())
        torch.manual_seed(1)
        assert float(model(batch)["contrastive"]) == found == again > 1.01 * expected


@pytest.mark.parametrize(
    "architecture",
    [SMALL, {"name": "recurrent", "directions": "both", "layers": 1, "width": 16, "dropout": 0.1}],
    ids=["none", "one recurrent layer"],
)
def test_dropout_views_without_dropout_are_refused_in_one_line(made, architecture):
    chosen, objective = architectures.validate(architecture), {"name": "contrastive", "views": "dropout"}
    with pytest.raises(ValidationError, match="needs an architecture with dropout") as refused:
        ModelRecipe.model_validate({"objective": objective, "architecture": chosen})
    assert "dropout: 0.1" in str(refused.value)
    mixed = Mixture.model_validate({"of": {"a": objective, "b": "masked"}})
    for each in (Contrastive(views="dropout"), mixed):
        with pytest.raises(WrongInput, match="needs an architecture with dropout") as build_error:
            build_network(each, chosen, 400, seed=0)
        assert "\n" not in str(build_error.value)
    ModelRecipe.model_validate({"objective": objective, "architecture": {**architecture, "layers": 2, "dropout": 0.1}})


@pytest.mark.parametrize(
    "objective",
    [
        Contrastive(views="dropout", group=8),
        Contrastive(group=8, at_least=2),
        Contrastive(views="neighbours", group=8, at_least=2),
        MaskedSentence(group=8),
        Relatedness(),
    ],
    ids=lambda o: f"{o.name} {getattr(o, 'views', '')}",
)
def test_a_step_has_about_the_configured_number_of_tokens(tmp_path, objective):
    """A group of 8 windows is one example with the tokens of 8 windows."""
    texts = [" ".join(english(d, (4, 9, 14)[d % 3])) for d in range(150)]
    made = Documents(tmp_path, texts, windows=objective.units_per_example)
    settings = TrainingSettings.model_validate({"batch_tokens": 4096, "micro_batch_tokens": 1024})
    step_units, micro_units = units_of(settings, made.samples)
    batches = micro_batches(objective, made.samples, 0, step_units, micro_units, 0.0)
    assert 0.6 * 4096 < positions(batches) < 1.5 * 4096
    assert max(positions([batch]) for batch in batches) < 1.8 * 1024 or micro_units == 1


def test_an_epoch_of_groups_has_the_tokens_of_the_text(tmp_path):
    texts = [" ".join(english(d, 9)) for d in range(60)]
    plain, grouped = (Documents(tmp_path / str(w), texts, windows=w).samples for w in (1, 4))
    assert grouped.units == round(plain.units / 4)
    assert grouped.units * grouped.tokens_per_unit == pytest.approx(plain.units * plain.tokens_per_unit, rel=0.1)
    starts = {grouped.first_window(n) for n in range(40 * grouped.units)}
    assert starts == set(range(plain.units))  # over several epochs every window starts a group
    grouped.shuffled = False
    spread = [grouped.first_window(n) for n in range(grouped.units)]
    assert max(np.diff(spread)) <= 5
    assert spread[0] == 0


def test_groups_of_one_text_have_no_target(tmp_path):
    made = Documents(tmp_path, [" ".join(english(d, 12)) for d in range(6)], context=40)
    objective = Contrastive(views="neighbours", group=2, at_least=39)
    for example in made.examples(objective, 5):
        sequence_labels = [s.sequence_labels["contrastive"] for s in example["first"]]
        assert sequence_labels in ([], [-1], [0, 1])


def test_a_masked_sentence_and_its_context_form_the_text(made):
    objective, mask = MaskedSentence(group=3), made.tokenizer.vocabulary.mask
    for example in made.examples(objective, 12):
        contexts, sentences = example["context"], example["sentence"]
        assert [s.sequence_labels["sentence"] for s in contexts] == list(range(len(contexts)))
        assert len(contexts) >= 2
        for context, sentence in zip(contexts, sentences, strict=True):
            ids, hidden = context.inputs["token"], sentence.inputs["token"][1:-1]
            assert ids[context.sequence_labels["place"]] == mask
            assert (ids == mask).sum() == 1
            assert len(ids) <= 64
            place = context.sequence_labels["place"]
            whole = made.tokenizer.decode([*ids[1:place], *hidden, *ids[place + 1 : -1]])
            assert made.of(whole)
            text = made.tokenizer.decode(hidden).strip()
            assert text.startswith("The ")
            assert text.endswith(".")


def test_white_space_does_not_reveal_the_masked_sentence(made):
    """The first sentence of a document has no space before it, and its mask follows the begin token."""
    sentences = [s for e in made.examples(MaskedSentence(group=3), 40) for s in e["sentence"]]
    assert {made.tokenizer.decode(s.inputs["token"][1:-1])[0] for s in sentences} == {" "}


def test_related_fragments_are_of_one_document(made):
    labels = []
    for example in made.examples(Relatedness(), 60):
        sequences = example["text"]
        for a, b in zip(sequences[::2], sequences[1::2], strict=True):
            (one,), (other,) = made.sides(a.inputs["token"]), made.sides(b.inputs["token"])
            if a.sequence_labels["related"]:
                assert made.of(one + other)
            labels.append(a.sequence_labels["related"])
            assert b.sequence_labels["related"] == -1
    assert abs(np.mean(labels) - 0.5) < 5 * 0.5 / len(labels) ** 0.5


@pytest.mark.parametrize("objective", [Contrastive(group=3), MaskedSentence(group=3)], ids=lambda o: o.name)
def test_found_in_group_is_reported_with_chance_level(made, objective):
    model = network(made, objective)
    batches = [pack(made.examples(objective, 5), objective.streams)]
    with torch.no_grad():
        figures = objective.judge(model, model.head, batches, None)["figures"]
    right = figures["found in group"]
    stream = batches[0]["first" if objective.name == "contrastive" else "context"]
    sizes = stream.group.bincount()
    assert len(right) == int(sizes.sum())
    assert figures["found in group by chance"] == pytest.approx(len(sizes) / int(sizes.sum()))
    assert set(right.tolist()) <= {0.0, 1.0}


def test_dropout_views_have_no_retrieval_figures():
    assert Contrastive(views="dropout").judge(None, None, [], None) == {}
