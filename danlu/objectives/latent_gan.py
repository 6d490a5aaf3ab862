"""A generator of sentence codes trained against a critic (Goodfellow et al. 2014), together with the autoencoder of the
codes (Zhao et al. 2018).

Shapes: n codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from danlu.batch import Batch, Example, StreamSpec, has_target
from danlu.objective import ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.reconstruct import SHOWN, Reconstruct
from danlu.objectives.seq2seq.code_statistics import frechet_distance, spread
from danlu.objectives.seq2seq.greedy_decoding import decode_greedily
from danlu.registry import objectives

JUDGED = 512
"""Number of codes that are compared; each half of the real ones is compared with the other, as a baseline."""

DECODED = 64
"""Number of generated codes that are decoded."""


@dataclass(frozen=True)
class Game:
    """The summed losses of both networks, from scores [n] of the critic."""

    critic: Callable[[Tensor, Tensor], Tensor]  # critic(real, fake)
    generator: Callable[[Tensor], Tensor]  # generator(fake)
    threshold: float  # a higher score means "real"


GAMES = {
    "least_squares": Game(
        lambda real, fake: (real - 1).square().sum() + fake.square().sum(), lambda fake: (fake - 1).square().sum(), 0.5
    ),
    "hinge": Game(lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(), lambda fake: -fake.sum(), 0.0),
}
"""Mao et al. (2017); Lim and Ye (2017)."""


@objectives.register
class LatentGAN(Objective):
    """Train a sentence autoencoder, a generator of codes from noise, and a critic that distinguishes real from
    generated codes.

    All three train in one backward pass: the critic sees detached codes, the generator a critic with detached weights,
    and neither changes the encoder.
    """

    name: Literal["latent_gan"] = "latent_gan"
    reconstruct: Reconstruct = Field(default=Reconstruct(), description="Settings of the autoencoder.")
    noise: PositiveInt = Field(default=32, description="Size of the standard normal noise vector of each sentence.")
    hidden: PositiveInt = Field(default=128, description="Width of the hidden layers of generator and critic.")
    game: Literal["least_squares", "hinge"] = Field(
        default="least_squares", description="Loss of generator and critic."
    )

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"game": "least_squares"}, {"game": "hinge"})
    terms: ClassVar[tuple[str, ...]] = (*Reconstruct.terms, "critic", "generator")
    needs: ClassVar[Mapping[str, frozenset[str]]] = Reconstruct.needs
    boundaries: ClassVar[frozenset[str]] = Reconstruct.boundaries
    continues_text: ClassVar[bool] = False
    exempt: ClassVar[Mapping[str, str]] = {
        "learns: critic": "its loss is that of guessing if the generator wins",
        "learns: generator": "its loss is high if the critic wins",
    }

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        # floats, since the losses of critic and generator are no cross-entropies and have no unit
        sequence_labels = {"critic": np.float32, "generator": np.float32, "noise": (np.float64, (self.noise,))}
        return {**Reconstruct.streams, "source": StreamSpec(sequence_labels=sequence_labels)}

    def example(self, sample: Sample) -> Example:
        made = self.reconstruct.example(sample)
        for seq in made["source"]:
            seq.sequence_labels |= {"critic": 0.0, "generator": 0.0, "noise": sample.rng.standard_normal(self.noise)}
        return made

    def build_head(self, shape: ModelShape) -> nn.Module:
        size = self.reconstruct.code or shape.width
        return nn.ModuleDict(
            {
                "codes": self.reconstruct.build_head(shape),
                "generator": nn.Sequential(
                    nn.Linear(self.noise, self.hidden),
                    nn.GELU(),
                    nn.Linear(self.hidden, size),
                    nn.LayerNorm(size, elementwise_affine=False),  # codes are normalised likewise
                ),
                "critic": nn.Sequential(nn.Linear(size, self.hidden), nn.LeakyReLU(0.2), nn.Linear(self.hidden, 1)),
            }
        )

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        source, target, game = batch["source"], batch["target"], GAMES[self.game]
        codes = self.reconstruct.codes(model, head["codes"], source)
        states = model.decode(target, self.reconstruct.memory(head["codes"], codes))
        judged, generated = (
            has_target(source.sequence_labels["critic"]),
            has_target(source.sequence_labels["generator"]),
        )
        critic = head["critic"]
        fake = head["generator"](source.sequence_labels["noise"][generated].to(codes.dtype))  # padding has no noise
        frozen = {name: weight.detach() for name, weight in critic.named_parameters()}
        return {
            "rebuilt": model.token_loss(states, target.labels["rebuilt"]),
            "critic": game.critic(critic(codes.detach()[judged]), critic(fake.detach())),
            "generator": game.generator(functional_call(critic, frozen, (fake,))),
        }

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Judge the reconstruction and the generated codes.

        Figures of the generator: accuracy of the critic (0.5: it guesses); Fréchet distance of real and generated
        codes, with that of two halves of the real ones; and, since generators collapse, the spread of generated codes
        relative to that of real ones (omitted if these are all equal) and the share of distinct sentences among those
        decoded from noise.
        """
        listed = list(batches)
        rebuilt = self.reconstruct.judge(model, head["codes"], listed, source)
        found = [
            (self.reconstruct.codes(model, head["codes"], b["source"]), b["source"].sequence_labels["noise"])
            for b in listed
        ]
        real = torch.cat([codes for codes, _ in found])[:JUDGED]
        if len(real) < 4:
            return rebuilt
        fake = head["generator"](torch.cat([noise for _, noise in found])[: len(real)].to(real.dtype))
        memory = self.reconstruct.memory(head["codes"], fake[:DECODED])
        made = decode_greedily(model, memory, source.vocabulary, min(self.reconstruct.longest, model.context))
        texts, half, threshold = (
            [source.decode(ids.tolist()) for ids in made],
            len(real) // 2,
            GAMES[self.game].threshold,
        )
        correct = [head["critic"](real) > threshold, head["critic"](fake) <= threshold]
        real_spread = spread(real)  # 0 where the encoder has collapsed
        return {
            "figures": rebuilt["figures"]
            | {
                "critic_accuracy": float(torch.cat(correct).float().mean()),
                "code_distance": frechet_distance(real[:half], fake[:half]),
                "code_distance_of_real_halves": frechet_distance(real[:half], real[half : 2 * half]),
                **({"code_spread_beside_real": spread(fake) / real_spread} if real_spread else {}),
                "distinct_sentences_from_noise": len(set(texts)) / len(texts),
            },
            "samples": rebuilt["samples"] + [{"given": "noise", "made": text} for text in texts[:SHOWN]],
        }
