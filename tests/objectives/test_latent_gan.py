"""Each side of the game moves its own weights alone, and a judge notices a generator that has collapsed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from toy_language import VOCABULARY, ToySamples, ToySource

from danlu.architectures import build_network
from danlu.objectives.latent_gan import GAMES, LatentGAN
from danlu.objectives.reconstruct import Reconstruct
from danlu.objectives.seq2seq.code_statistics import frechet_distance, spread
from danlu.packing import pack
from danlu.registry import architectures

pass

SMALL = Reconstruct(longest=6)


def learner_of(objective):
    settings = {"name": "recurrent", "directions": "both", "layers": 1, "width": 16, "context": 16}
    return build_network(objective, architectures.validate(settings), VOCABULARY.size, seed=0).double()


def batch_of(objective, count=6):
    return pack([objective.example(ToySamples().draw(n)) for n in range(count)], objective.streams)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize(("term", "side"), [("critic", "head.critic."), ("generator", "head.generator.")])
def test_a_term_moves_the_weights_of_its_own_side(game, term, side):
    objective = LatentGAN(reconstruct=SMALL, noise=4, hidden=8, game=game)
    model = learner_of(objective)
    model(batch_of(objective))[term].backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    own = {name for name, _ in model.named_parameters() if name.startswith(side)}
    cancels = {"head.critic.2.bias"}  # by hinge, while all scores are in reach
    assert moved - cancels == own - cancels
    assert moved <= own


def test_the_autoencoder_is_trained_as_without_the_game():
    objective = LatentGAN(reconstruct=SMALL, noise=4, hidden=8)
    model, batch = learner_of(objective), batch_of(objective)
    alone = learner_of(SMALL)
    alone.backbone, alone.decoder, alone.embeddings = model.backbone, model.decoder, model.embeddings
    alone.head = model.head["codes"]
    torch.testing.assert_close(model(batch)["rebuilt"], alone(batch)["rebuilt"])


def test_what_the_two_sides_pay_is_not_said_in_nats():
    objective = LatentGAN(reconstruct=SMALL)
    assert {term: objective.is_cross_entropy(term) for term in objective.terms} == {
        "rebuilt": True,
        "critic": False,
        "generator": False,
    }


def test_the_losses_are_those_of_the_papers():
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([-2.0, 0.25])
    assert GAMES["least_squares"].critic(real, fake).item() == 0.25 + 1 + 4 + 0.0625
    assert GAMES["least_squares"].generator(fake).item() == 9 + 0.5625
    assert GAMES["hinge"].critic(real, fake).item() == 0.5 + 0 + 0 + 1.25
    assert GAMES["hinge"].generator(fake).item() == 1.75


def test_noise_is_drawn_with_the_data():
    objective = LatentGAN(reconstruct=SMALL, noise=4)
    first, again, other = (
        objective.example(ToySamples().draw(n))["source"][0].sequence_labels["noise"] for n in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_generator_that_has_collapsed_is_noticed(tmp_path):
    objective = LatentGAN(reconstruct=SMALL, noise=4, hidden=8)
    model, batches = learner_of(objective).eval(), [batch_of(objective, 20)]
    with torch.no_grad():
        before = objective.judge(model, model.head, batches, ToySource(tmp_path))["figures"]
        model.head["generator"][0].weight.zero_()  # whatever the noise, one code
        after = objective.judge(model, model.head, batches, ToySource(tmp_path))
    assert before["code_spread_beside_real"] > 0.1
    assert after["figures"]["code_spread_beside_real"] < 1e-12
    assert len({sample["made"] for sample in after["samples"] if sample["given"] == "noise"}) == 1
    assert after["figures"]["code_distance"] > 10 * after["figures"]["code_distance_of_real_halves"]
    assert 0 <= after["figures"]["critic_accuracy"] <= 1


def test_an_encoder_that_has_collapsed_has_no_spread_to_compare_with(tmp_path):
    objective = LatentGAN(reconstruct=SMALL, noise=4, hidden=8)
    model = learner_of(objective).eval()
    with torch.no_grad():
        model.head["codes"].narrow.weight.zero_()  # whatever the sentence, one code
        figures = objective.judge(model, model.head, [batch_of(objective, 20)], ToySource(tmp_path))["figures"]
    assert "code_distance" in figures
    assert "code_spread_beside_real" not in figures


@given(st.integers(0, 1000))
def test_the_distance_of_two_clouds(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(12, 3)), rng.normal(1, 2, size=(15, 3))
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = np.square(a.mean(0) - b.mean(0)).sum()
    expected = shift + np.trace(one + other - 2 * np.real(sqrtm(one @ other)))
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(a)) == pytest.approx(0, abs=1e-6)


def test_the_spread_of_equal_rows_is_none():
    assert spread(torch.ones(5, 3)) == 0
    assert spread(torch.tensor([[0.0, 0.0], [2.0, 4.0]])) == 2 + 8
