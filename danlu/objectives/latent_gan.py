"""A GAN on the codes of a sentence autoencoder (Goodfellow et al. 2014; Zhao et al. 2018).

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
from danlu.objectives.reconstruct import NUM_SAMPLES, Reconstruct
from danlu.objectives.seq2seq.code_statistics import frechet_distance, total_variance
from danlu.objectives.seq2seq.greedy_decoding import decode_greedily
from danlu.registry import objectives

JUDGED_CODES = 512
"""Maximum number of real codes, and of generated ones, that are compared."""

DECODED_CODES = 64
"""Number of generated codes that are decoded."""


@dataclass(frozen=True)
class Game:
    """The summed losses of critic and generator as functions of the critic's scores [n]."""

    critic: Callable[[Tensor, Tensor], Tensor]  # (scores of real codes, scores of generated codes) -> loss
    generator: Callable[[Tensor], Tensor]  # scores of generated codes -> loss
    threshold: float  # scores above it mean "real"


GAMES = {
    "least_squares": Game(
        lambda real, fake: (real - 1).square().sum() + fake.square().sum(), lambda fake: (fake - 1).square().sum(), 0.5
    ),
    "hinge": Game(lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(), lambda fake: -fake.sum(), 0.0),
}
"""Least squares: Mao et al. (2017). Hinge: Lim and Ye (2017)."""


@objectives.register
class LatentGAN(Objective):
    """Train a sentence autoencoder, a generator of codes, and a critic that separates real from generated codes.

    All three are trained in one backward pass: the critic reads detached codes, and the generator is trained through a
    critic with detached weights. Neither has a gradient in the encoder.
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
        "learns: critic": "its loss is at chance level if the generator wins",
        "learns: generator": "its loss is high if the critic wins",
    }

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        # floats, since the losses of critic and generator are not cross-entropies
        sequence_labels = {"critic": np.float32, "generator": np.float32, "noise": (np.float64, (self.noise,))}
        return {**Reconstruct.streams, "source": StreamSpec(sequence_labels=sequence_labels)}

    def example(self, sample: Sample) -> Example:
        example = self.reconstruct.example(sample)
        for seq in example["source"]:
            seq.sequence_labels |= {"critic": 0.0, "generator": 0.0, "noise": sample.rng.standard_normal(self.noise)}
        return example

    def build_head(self, shape: ModelShape) -> nn.Module:
        size = self.reconstruct.code or shape.width
        return nn.ModuleDict(
            {
                "codes": self.reconstruct.build_head(shape),
                "generator": nn.Sequential(
                    nn.Linear(self.noise, self.hidden),
                    nn.GELU(),
                    nn.Linear(self.hidden, size),
                    nn.LayerNorm(size, elementwise_affine=False),  # real codes are normalised in the same way
                ),
                "critic": nn.Sequential(nn.Linear(size, self.hidden), nn.LeakyReLU(0.2), nn.Linear(self.hidden, 1)),
            }
        )

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        source, target, game = batch["source"], batch["target"], GAMES[self.game]
        codes = self.reconstruct.codes(model, head["codes"], source)
        states = model.decode(target, self.reconstruct.memory(head["codes"], codes))
        scored = has_target(source.sequence_labels["critic"])
        generated = has_target(source.sequence_labels["generator"])  # False for padding, which has no noise
        critic = head["critic"]
        fake = head["generator"](source.sequence_labels["noise"][generated].to(codes.dtype))
        frozen = {name: weight.detach() for name, weight in critic.named_parameters()}
        return {
            "rebuilt": model.token_loss(states, target.labels["rebuilt"]),
            "critic": game.critic(critic(codes.detach()[scored]), critic(fake.detach())),
            "generator": game.generator(functional_call(critic, frozen, (fake,))),
        }

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Evaluate the reconstruction and the generated codes.

        Figures of the generator: the accuracy of the critic (0.5 is chance); the Fréchet distance between real and
        generated codes, with that between two halves of the real codes as baseline; and two signs of mode collapse:
        the variance of generated codes relative to that of real codes (omitted if the latter is 0), and the share of
        distinct sentences among those decoded from noise.
        """
        all_batches = list(batches)
        rebuilt = self.reconstruct.judge(model, head["codes"], all_batches, source)
        real = torch.cat([self.reconstruct.codes(model, head["codes"], batch["source"]) for batch in all_batches])
        real = real[:JUDGED_CODES]
        if len(real) < 4:
            return rebuilt
        noise = torch.cat([batch["source"].sequence_labels["noise"] for batch in all_batches])[: len(real)]
        fake = head["generator"](noise.to(real.dtype))
        memory = self.reconstruct.memory(head["codes"], fake[:DECODED_CODES])
        decoded = decode_greedily(model, memory, source.vocabulary, min(self.reconstruct.longest, model.context))
        texts = [source.decode(ids.tolist()) for ids in decoded]
        half, threshold = len(real) // 2, GAMES[self.game].threshold
        correct = [head["critic"](real) > threshold, head["critic"](fake) <= threshold]
        real_variance = total_variance(real)  # 0 if the encoder has collapsed
        return {
            "figures": rebuilt["figures"]
            | {
                "critic_accuracy": float(torch.cat(correct).float().mean()),
                "code_distance": frechet_distance(real[:half], fake[:half]),
                "code_distance_of_real_halves": frechet_distance(real[:half], real[half : 2 * half]),
                **({"code_spread_beside_real": total_variance(fake) / real_variance} if real_variance else {}),
                "distinct_sentences_from_noise": len(set(texts)) / len(texts),
            },
            "samples": rebuilt["samples"] + [{"given": "noise", "made": text} for text in texts[:NUM_SAMPLES]],
        }
