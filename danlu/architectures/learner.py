"""One model being trained: embeddings, backbone, vocabulary head, and the objective's own parts."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.architectures.embedders import decoder_embedders_of, embedders_of, embedding_width_of
from danlu.architectures.scaling import scaled
from danlu.architectures.transformer.feed_forward import ACTIVATIONS
from danlu.errors import WrongInput
from danlu.settings import Settings
from danlu.traits import refusal, token_head
from danlu.waist import Batch, Memory, ModelShape, Objective, Stream

MAKE = ("bias", "norm_bias", "epsilon")
"""Settings of an architecture that an objective's parts follow."""


class Learner(nn.Module):
    """Called with a batch, gives {term: sum of losses}; called with None, gives the tie (see `forward`).

    trained_by: the objective of pre-training, where `objective` is a task's (`embedders_of`).
    """

    def __init__(
        self,
        objective: Objective,
        architecture: Settings,
        vocabulary_size: int,
        trained_by: Objective | None = None,
    ):
        super().__init__()
        chosen: Any = architecture
        self.objective, self.vocabulary_size = objective, vocabulary_size
        models = models_of(chosen, objective.needs)
        if sentence := refusal(objective, models, chosen.name):
            raise WrongInput(sentence)
        self.backbone = models["backbone"]
        self.decoder = models["decoder"] if "decoder" in objective.needs else None
        self.width: int = self.backbone.width
        self.embedding_width: int = embedding_width_of(chosen)
        self.context: int = chosen.context
        tables = embedders_of(objective, chosen, vocabulary_size, self.embedding_width, trained_by)
        self.embedders = nn.ModuleDict(tables)
        own = {} if self.decoder is None else decoder_embedders_of(chosen, vocabulary_size, self.embedding_width)
        self.decoder_embedders = nn.ModuleDict(own)
        self.head_scale: float = self.width**-0.5 if getattr(chosen, "scaled_head", False) else 1.0
        self.output_map, self.unembedding, self.output_bias = self.output(chosen, self.head_of(objective))
        self.parts = objective.parts(self.shape(chosen))
        self.label_smoothing, self.z_loss = 0.0, 0.0

    def head_of(self, objective: Objective) -> str:
        """Of what token logits are made (`danlu.traits.token_head`); of nothing in a model that reads no tokens."""
        return token_head(objective) if "token" in self.embedders else "none"

    def output(self, chosen: Any, head: str) -> tuple[nn.Linear | None, nn.Linear | None, nn.Parameter | None]:
        """What turns hidden states into logits besides the token embeddings, each only where it is needed: the map of
        hidden states to the width of the embeddings, an output table of its own, and a bias."""
        narrow, size = self.embedding_width, self.vocabulary_size
        table = nn.Linear(narrow, size, bias=False) if head != "none" and not chosen.tied else None
        biased = head != "none" and getattr(chosen, "output_bias", False)
        map_ = nn.Linear(self.width, narrow, bias=False) if head == "model" and narrow != self.width else None
        if map_ is not None:
            nn.init.normal_(map_.weight, std=self.width**-0.5)
        return map_, table, nn.Parameter(torch.zeros(size)) if biased else None

    def shape(self, architecture: Settings) -> ModelShape:
        """What an architecture does not say has the default of `ModelShape`."""
        said = {name: getattr(architecture, name) for name in MAKE if hasattr(architecture, name)}
        if activation := getattr(architecture, "activation", None):
            said["activation"] = ACTIVATIONS[activation]

        def backbone(**changed: Any) -> Any:
            return type(architecture).model_validate(architecture.model_dump() | changed).build()  # type: ignore[attr-defined]

        def smaller(width: float, layers: float) -> Any:
            return scaled(architecture, width, layers).build()  # type: ignore[attr-defined]

        return ModelShape(
            self.width, self.vocabulary_size, self.embedding_width, **said, backbone=backbone, smaller=smaller
        )

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def embed(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Sum of the embeddings of the stream's inputs that have an embedder: [T, embedding width]. What a stream does
        not say of its segments is segment 0."""
        return summed({**self.embedders}, stream, replaced)

    def embed_for_decoder(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """The same for what the decoder runs on, by its own tables where it has some."""
        return summed({**self.embedders, **self.decoder_embedders}, stream, replaced)

    def hidden(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """[T, width]."""
        return self.backbone(self.embed(stream, **replaced), stream)

    def decode(self, stream: Stream, memory: Memory, **replaced: Tensor) -> Tensor:
        """[T, width]: the decoder over a stream, each sequence beside the one of its number in the memory."""
        if self.decoder is None:
            raise ValueError("the objective did not ask for a decoder")
        return self.decoder(self.embed_for_decoder(stream, **replaced), stream, memory)

    def token_logits(self, hidden: Tensor) -> Tensor:
        """[T, width], or [T, embedding width] of a head that has narrowed it, -> [T, vocabulary]. Tied to the decoder's
        token vectors where it has its own (`shared_embeddings: false`), whichever side made the hidden states."""
        if "token" not in self.embedders:
            raise ValueError("the objective has no tokens among its inputs, so the model has no vocabulary")
        if self.output_map is not None and hidden.shape[-1] == self.width:
            hidden = self.output_map(hidden)
        tables = {**self.embedders, **self.decoder_embedders}
        weight = tables["token"].weight if self.unembedding is None else self.unembedding.weight
        hidden = hidden if self.head_scale == 1 else hidden * self.head_scale
        return F.linear(hidden, weight, self.output_bias)  # type: ignore[arg-type]

    def token_loss(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """Sum of cross-entropies (nats) at labelled positions, in float32 or wider; no other position is projected."""
        at = (labels >= 0).nonzero().squeeze(1)  # a GPU is waited for once, not at each use
        return self.class_loss(self.token_logits(hidden[at]), labels[at])

    def class_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Sum of cross-entropies (nats) of logits [n, classes], in float32 or wider. In training it also has what the
        settings of training add: `label_smoothing`, and `z_loss` times the squared log of the softmax's denominator."""
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if not self.training:
            return F.cross_entropy(wide, labels, reduction="sum")
        loss = F.cross_entropy(wide, labels, reduction="sum", label_smoothing=self.label_smoothing)
        return loss + self.z_loss * wide.logsumexp(-1).square().sum() if self.z_loss else loss

    def forward(self, batch: Batch | None) -> dict[str, Tensor]:
        """The terms of a batch; of None the tie, every parameter times nothing.

        A step ends with the tie: parameters that no micro-batch reached get a zero gradient instead of none, so the
        optimiser treats them alike however a step is split, and in a sharded run every process joins the step's one
        reduction whatever it drew.
        """
        if batch is None:
            return {"": 0.0 * torch.stack([p.sum() for p in self.parameters() if p.requires_grad]).sum()}
        return self.objective.losses(self, self.parts, batch)


def summed(tables: Mapping[str, nn.Module], stream: Stream, replaced: Mapping[str, Tensor]) -> Tensor:
    """[T, width]: the sum of what the tables make of the stream's inputs."""
    inputs = {"segment": torch.zeros_like(stream.key), **stream.inputs, **replaced}
    return torch.stack([table(inputs[name]) for name, table in tables.items() if name in inputs]).sum(0)


def models_of(architecture: Any, roles: Container[str] = ("backbone", "decoder")) -> dict[str, Any]:
    """The models of an architecture by role; a decoder only where it has one, and where `roles` ask for it."""
    wanted = "decoder" in roles and hasattr(architecture, "build_decoder")
    decoder = {"decoder": architecture.build_decoder()} if wanted else {}
    return {"backbone": architecture.build(), **decoder}


def build_learner(
    objective: Objective,
    architecture: Settings,
    vocabulary_size: int,
    seed: int,
    trained_by: Objective | None = None,
) -> Learner:
    """A learner whose weights depend on nothing but its arguments."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Learner(objective, architecture, vocabulary_size, trained_by)
