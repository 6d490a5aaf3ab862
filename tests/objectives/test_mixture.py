"""A mixture draws its objectives by share, separates their names and forwards every member of Objective."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from toy_language import VOCABULARY, ToySamples

from danlu.architectures import build_network
from danlu.architectures.transformer import Transformer
from danlu.evaluation.generation import pack_continuations
from danlu.objective import ModelShape, Objective
from danlu.objectives.mixture import Mixture
from danlu.packing import pack
from danlu.registry import objectives
from danlu.training.precision import Machine
from danlu.training.step import accumulate, micro_batches

MACHINE = Machine("cpu", "float32", 1)
SMALL = Transformer(layers=1, width=8, heads=2, ffn_dim=16, context=16)
TWO = {"left": "causal", "both": {"name": "masked", "rate": 0.3}}


DERIVED = {"class_labels_of", "reads_tokens", "needs_blank"}
"""Members that are computed from others, so that no objective overrides them."""


def test_every_member_of_an_objective_is_forwarded():
    inherited = {name for base in Objective.__mro__[1:] for name in vars(base)}
    members = {name for name in vars(Objective) if not name.startswith(("_", "model_")) or name == "model_references"}
    assert members - inherited - DERIVED - vars(Mixture).keys() == set()
    assert len(members) > 30


def test_derived_members_are_never_overridden():
    assert {name for name in objectives for member in DERIVED if member in vars(objectives[name])} == set()


def test_a_mixture_of_prefix_reads_its_prompt_in_both_directions():
    mixture = Mixture.model_validate({"of": {"p": "prefix"}})
    assert mixture.prompt_order(4).tolist() == [0, 0, 0, 0]
    prompt = torch.arange(4).numpy()
    assert pack_continuations([0], [prompt], "cpu", mixture.prompt_order).key.tolist() == [0, 0, 0, 0]
    causal_first = Mixture.model_validate({"of": {"m": "masked", "c": "causal", "p": "prefix"}})
    assert causal_first.prompt_order(4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("mixed", "order"),
    [
        (["causal"], "causal"),
        (["causal", "masked"], "full"),
        (["causal", "prefix"], "full"),
        (["causal", "permutation"], "full"),
        (["causal", "bidirectional"], "causal"),
    ],
    ids="+".join,
)
def test_a_mixture_reads_a_whole_text_in_the_widest_order_of_its_objectives(mixed, order):
    assert Mixture.model_validate({"of": {name: name for name in mixed}}).reading_order == order


def test_objectives_are_drawn_by_their_shares():
    mixture = Mixture.model_validate({"of": TWO, "shares": {"left": 3}})
    n = 2000
    drawn = Counter(name for i in range(n) for name in mixture.example(ToySamples().draw(i)))
    assert set(drawn) == {"left.text", "both.text"}
    assert sum(drawn.values()) == n
    assert abs(drawn["left.text"] - 0.75 * n) <= 5 * (n * 0.75 * 0.25) ** 0.5


def test_a_share_of_two_numbers_is_interpolated_over_the_run():
    mixture = Mixture.model_validate({"of": TWO, "shares": {"left": 1, "both": [1, 0]}})
    n = 1500
    for progress, expected in ((0.0, 1 / 2), (0.5, 2 / 3), (1.0, 1.0)):
        drawn = Counter(name for i in range(n) for name in mixture.example(ToySamples().draw(i, progress)))
        assert abs(drawn["left.text"] - expected * n) <= 5 * (n * expected * (1 - expected)) ** 0.5


def test_a_share_is_also_the_weight_of_its_terms():
    mixture = Mixture.model_validate({"of": TWO, "shares": {"left": 1, "both": [3, 1]}})
    assert mixture.term_weights(0.0) == {"left.causal": 0.25, "both.masked": 0.75}
    assert mixture.term_weights(1.0) == {"left.causal": 0.5, "both.masked": 0.5}
    model = build_network(mixture, SMALL, VOCABULARY.size, seed=0)
    batches = micro_batches(mixture, ToySamples(), 0, 40, 8, 0.5)
    for progress in (0.0, 1.0):
        losses = accumulate(model, mixture, batches, MACHINE, seed=0, progress=progress)
        means, weights = losses.terms, mixture.term_weights(progress)
        assert losses.loss == pytest.approx(sum(weights[term] * means[term] for term in mixture.terms))


def test_a_mixture_can_rewrite_text():
    spans = {"name": "spans", "sentinels": 5}
    mixture = Mixture.model_validate({"of": {"blanks": "masked", "left": spans, "whole": "denoising"}})
    assert mixture.rewriter is mixture.of["left"]
    assert mixture.needs_blank
    assert Mixture.model_validate({"of": {"inner": mixture, "again": "causal"}}).rewriter is None  # it continues text
    assert not Mixture.model_validate({"of": {"whole": "denoising"}}).needs_blank


def test_shares_of_nested_mixtures_are_interpolated():
    inner = {"name": "mixture", "of": TWO, "shares": {"left": [1, 0]}}
    mixture = Mixture.model_validate({"of": {"inner": inner, "again": "causal"}, "loss_weights": {"again": 3}})
    at_start = {"inner.left.causal": 0.25, "inner.both.masked": 0.25, "again.causal": 1.5}
    assert mixture.term_weights(0.0) == at_start
    assert mixture.term_weights(1.0) == at_start | {"inner.left.causal": 0.0, "inner.both.masked": 0.5}


def test_a_mixture_has_the_abilities_of_its_objectives():
    mixture = Mixture.model_validate({"of": TWO | {"found": {"name": "replaced", "generator": None}}})
    model = build_network(mixture, SMALL, VOCABULARY.size, seed=0)
    hidden = torch.randn(3, SMALL.width)
    own = mixture.of["both"].blank_logits(model, model.head["both"], hidden)
    assert torch.equal(mixture.blank_logits(model, model.head, hidden), own)
    assert not Mixture.model_validate({"of": {"a": "causal"}}).fills_blanks
    batches = micro_batches(mixture, ToySamples(), 0, 12, 4, 1.0)
    with torch.no_grad():
        judged = mixture.judge(model, model.head, batches, SimpleNamespace(decode=str))
        alone = mixture.of["found"].judge(
            model, model.head["found"], [batch.of("found") for batch in batches], SimpleNamespace(decode=str)
        )
    assert judged["figures"] == {f"found: {name}": value for name, value in alone["figures"].items()}
    assert mixture.embeds_text is False
    assert Mixture.model_validate({"of": TWO | {"pairs": "next_sentence"}}).embeds_text


def test_streams_terms_weights_and_needs_come_from_the_objectives():
    mixture = Mixture.model_validate({"of": TWO, "loss_weights": {"both": 0.5}})
    assert set(mixture.streams) == {"left.text", "both.text"}
    assert mixture.terms == ("left.causal", "both.masked")
    assert mixture.term_weights(1.0) == {"left.causal": 0.5, "both.masked": 0.25}
    assert mixture.needs == {"backbone": frozenset({"causal", "full"})}
    assert mixture.continues_text
    assert not Mixture.model_validate({"of": {"a": "masked"}}).continues_text


def test_the_terms_of_one_objective_used_twice_are_counted_separately():
    mixture = Mixture.model_validate({"of": {"few": {"name": "masked", "rate": 0.01}, "many": "masked"}})
    examples = [mixture.example(ToySamples().draw(n)) for n in range(20)]
    found = mixture.count_targets(pack(examples, mixture.streams))
    for part in ("few", "many"):
        labels = [s.labels["masked"] for e in examples for s in e.get(f"{part}.text", ())]
        assert found[f"{part}.masked"] == sum(int((label >= 0).sum()) for label in labels) > 0


def test_the_head_has_only_parameters_of_objectives_with_a_head():
    parts = Mixture.model_validate({"of": TWO}).build_head(ModelShape(8, 12))
    assert {name.split(".")[0] for name, _ in parts.named_parameters()} == {"both"}
    assert all(torch.isfinite(p).all() for p in parts.parameters())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"of": {}}, "at least 1"),
        ({"of": TWO, "shares": {"lef": 1}}, "'lef' is not a mixed objective; known: left, both"),
        ({"of": TWO, "shares": {"left": 0}}, "of 'left' must be above 0"),
        ({"of": TWO, "shares": {"left": [1, -1]}}, "of 'left' must be above 0"),
        ({"of": TWO, "shares": {"left": [1, 0], "both": [1, 0]}}, "at the end of the run every share is 0"),
        ({"of": TWO, "loss_weights": {"both": -1}}, "of 'both' must be above 0"),
        ({"of": {"a.b": "causal"}}, "must not contain a dot"),
        ({"of": {"a": "causl"}}, "did you mean 'causal'"),
    ],
)
def test_impossible_mixtures_are_refused(settings, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Mixture.model_validate(settings)


def test_sentinels_and_boundaries_cover_all_objectives():
    mixture = Mixture.model_validate(
        {
            "of": {
                "short": {"name": "spans", "sentinels": 9},
                "long": {"name": "spans", "sentinels": 4},
                "d": "denoising",
            }
        }
    )
    assert mixture.num_sentinels == 9
    assert mixture.boundaries == {"sentence"}
    assert mixture.needs == {"backbone": {"full"}, "decoder": {"causal"}}
    assert Mixture.model_validate({"of": TWO}).num_sentinels == 0
