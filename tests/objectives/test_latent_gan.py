"""Each side of the game updates only its weights, and the figures reveal a collapsed generator."""

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
from danlu.objectives.seq2seq.code_statistics import frechet_distance, total_variance
from danlu.packing import pack
from danlu.registry import architectures

pass

SMALL = Reconstruct(longest=6)


def network_of(objective):
    settings = {"name": "recurrent", "directions": "both", "layers": 1, "width": 16, "context": 16}
    return build_network(objective, architectures.validate(settings), VOCABULARY.size, seed=0).double()


def batch_of(objective, count=6):
    return pack([objective.example(ToySamples().draw(n)) for n in range(count)], objective.streams)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize(("term", "side"), [("critic", "head.critic."), ("generator", "head.generator.")])
def test_a_term_updates_only_the_weights_of_its_side(game, term, side):
    objective = LatentGAN(reconstruct=SMALL, noise=4, hidden=8, game=game)
    model = network_of(objective)
    model(batch_of(objective))[term].backward()
    updated = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    own = {name for name, _ in model.named_parameters() if name.startswith(side)}
    cancels = {"head.critic.2.bias"}  # with hinge, while all scores are within the margin
    assert updated - cancels == own - cancels
    assert updated <= own


def test_the_game_does_not_change_the_autoencoder_loss():
    objective = LatentGAN(reconstruct=SMALL, noise=4, hidden=8)
    model, batch = network_of(objective), batch_of(objective)
    alone = network_of(SMALL)
    alone.backbone, alone.decoder, alone.embeddings = model.backbone, model.decoder, model.embeddings
    alone.head = model.head["codes"]
    torch.testing.assert_close(model(batch)["rebuilt"], alone(batch)["rebuilt"])


def test_adversarial_terms_are_not_cross_entropies():
    objective = LatentGAN(reconstruct=SMALL)
    assert {term: objective.is_cross_entropy(term) for term in objective.terms} == {
        "rebuilt": True,
        "critic": False,
        "generator": False,
    }


def test_the_losses_follow_the_papers():
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([-2.0, 0.25])
    assert GAMES["least_squares"].critic(real, fake).item() == 0.25 + 1 + 4 + 0.0625
    assert GAMES["least_squares"].generator(fake).item() == 9 + 0.5625
    assert GAMES["hinge"].critic(real, fake).item() == 0.5 + 0 + 0 + 1.25
    assert GAMES["hinge"].generator(fake).item() == 1.75


def test_noise_is_part_of_the_example():
    objective = LatentGAN(reconstruct=SMALL, noise=4)
    first, again, other = (
        objective.example(ToySamples().draw(n))["source"][0].sequence_labels["noise"] for n in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_collapsed_generator_is_detected(tmp_path):
    objective = LatentGAN(reconstruct=SMALL, noise=4, hidden=8)
    model, batches = network_of(objective).eval(), [batch_of(objective, 20)]
    with torch.no_grad():
        before = objective.judge(model, model.head, batches, ToySource(tmp_path))["figures"]
        model.head["generator"][0].weight.zero_()  # one code for any noise
        after = objective.judge(model, model.head, batches, ToySource(tmp_path))
    assert before["code_spread_beside_real"] > 0.1
    assert after["figures"]["code_spread_beside_real"] < 1e-12
    assert len({sample["made"] for sample in after["samples"] if sample["given"] == "noise"}) == 1
    assert after["figures"]["code_distance"] > 10 * after["figures"]["code_distance_of_real_halves"]
    assert 0 <= after["figures"]["critic_accuracy"] <= 1


def test_a_collapsed_encoder_has_no_relative_spread(tmp_path):
    objective = LatentGAN(reconstruct=SMALL, noise=4, hidden=8)
    model = network_of(objective).eval()
    with torch.no_grad():
        model.head["codes"].narrow.weight.zero_()  # one code for any sentence
        figures = objective.judge(model, model.head, [batch_of(objective, 20)], ToySource(tmp_path))["figures"]
    assert "code_distance" in figures
    assert "code_spread_beside_real" not in figures


@given(st.integers(0, 1000))
def test_frechet_distance_equals_scipy(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(12, 3)), rng.normal(1, 2, size=(15, 3))
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = np.square(a.mean(0) - b.mean(0)).sum()
    expected = shift + np.trace(one + other - 2 * np.real(sqrtm(one @ other)))
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(a)) == pytest.approx(0, abs=1e-6)


def test_spread_of_equal_and_different_rows():
    assert total_variance(torch.ones(5, 3)) == 0
    assert total_variance(torch.tensor([[0.0, 0.0], [2.0, 4.0]])) == 2 + 8
