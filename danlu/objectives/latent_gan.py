"""A generator of sentence codes against a critic (Goodfellow et al. 2014), beside the autoencoder that the codes come
from (Zhao et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import PositiveInt
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
"""Codes that are compared, half of them real ones with the other half."""

DECODED = 64


@dataclass(frozen=True)
class Game:
    """What the two sides pay, of scores [n]: critic(real, fake) and generator(fake), each a sum; a score above `middle`
    says "real"."""

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    middle: float


GAMES = {
    "least_squares": Game(
        lambda real, fake: (real - 1).square().sum() + fake.square().sum(), lambda fake: (fake - 1).square().sum(), 0.5
    ),
    "hinge": Game(lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(), lambda fake: -fake.sum(), 0.0),
}
"""Mao et al. (2017); Lim and Ye (2017)."""


@objectives.register
class LatentGAN(Objective):
    """Sentences are reconstructed as by `reconstruct`; a critic learns to tell their codes from those that a generator
    makes of noise, and the generator to be taken for real. All three learn in one backward pass: the critic sees codes
    and fakes detached, the generator a critic whose weights are, and the encoder is not moved by either.

    noise: entries of the noise, one standard normal vector for each sentence. hidden: width of the two networks.
    game: least_squares or hinge.
    """

    name: Literal["latent_gan"] = "latent_gan"
    reconstruct: Reconstruct = Reconstruct()
    noise: PositiveInt = 32
    hidden: PositiveInt = 128
    game: Literal["least_squares", "hinge"] = "least_squares"

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"game": "least_squares"}, {"game": "hinge"})
    terms: ClassVar[tuple[str, ...]] = (*Reconstruct.terms, "critic", "generator")
    needs: ClassVar[Mapping[str, frozenset[str]]] = Reconstruct.needs
    boundaries: ClassVar[frozenset[str]] = Reconstruct.boundaries
    continues_text: ClassVar[bool] = False
    exempt: ClassVar[Mapping[str, str]] = {
        "learns: critic": "its loss is as high as a guess's where the generator has won",
        "learns: generator": "its loss is high where the critic has won",
    }

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        # floats, since what the two sides pay is no cross-entropy: nothing says it in nats
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
                    nn.LayerNorm(size, elementwise_affine=False),  # codes are normed
                ),
                "critic": nn.Sequential(nn.Linear(size, self.hidden), nn.LeakyReLU(0.2), nn.Linear(self.hidden, 1)),
            }
        )

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        source, target, game = batch["source"], batch["target"], GAMES[self.game]
        codes = self.reconstruct.codes(model, head["codes"], source)
        told = model.decode(target, self.reconstruct.memory(head["codes"], codes))
        judged, made = has_target(source.sequence_labels["critic"]), has_target(source.sequence_labels["generator"])
        critic = head["critic"]
        fake = head["generator"](
            source.sequence_labels["noise"][made].to(codes.dtype)
        )  # what fills a stream up has no noise
        frozen = {name: weight.detach() for name, weight in critic.named_parameters()}
        return {
            "rebuilt": model.token_loss(told, target.labels["rebuilt"]),
            "critic": game.critic(critic(codes.detach()[judged]), critic(fake.detach())),
            "generator": game.generator(functional_call(critic, frozen, (fake,))),
        }

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """The reconstruction, and of the generator: the share of codes that the critic tells (0.5: it guesses), the
        distance of real and made codes beside that of two halves of the real ones, and, since generators collapse, the
        spread of made codes over that of real ones, where these differ, and how many of the sentences decoded from
        noise differ."""
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
        texts, half, middle = [source.decode(ids.tolist()) for ids in made], len(real) // 2, GAMES[self.game].middle
        told = [head["critic"](real) > middle, head["critic"](fake) <= middle]
        wide = spread(real)  # 0 where the encoder has collapsed
        return {
            "figures": rebuilt["figures"]
            | {
                "critic_accuracy": float(torch.cat(told).float().mean()),
                "code_distance": frechet_distance(real[:half], fake[:half]),
                "code_distance_of_real_halves": frechet_distance(real[:half], real[half : 2 * half]),
                **({"code_spread_beside_real": spread(fake) / wide} if wide else {}),
                "distinct_sentences_from_noise": len(set(texts)) / len(texts),
            },
            "samples": rebuilt["samples"] + [{"given": "noise", "made": text} for text in texts[:SHOWN]],
        }
