"""The model being trained: embeddings, backbone, vocabulary head, and the head of the objective.

Shapes: T positions of a stream, n selected positions.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.architecture import Architecture, Backbone, Decoder
from danlu.architectures.embedding_tables import decoder_embedding_tables_of, embedding_tables_of
from danlu.architectures.scaling import scaled
from danlu.batch import Batch, Memory, Stream
from danlu.errors import WrongInput
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, incompatibility


class Network(nn.Module, ModelAPI):
    """An objective on an architecture. `network(batch)` returns {term: sum of losses}; `network(None)` returns the tie
    (see `forward`).

    Args:
        objective: what is predicted.
        architecture: the settings of the backbone and, where the objective asks for one, the decoder.
        vocabulary_size: entries of the token embeddings.
        pretrained_by: the objective of pre-training, where `objective` is that of a task (`embedding_tables_of`).

    Raises:
        WrongInput: if the architecture does not support the objective.
    """

    def __init__(
        self,
        objective: Objective,
        architecture: Architecture,
        vocabulary_size: int,
        pretrained_by: Objective | None = None,
    ):
        super().__init__()
        self.objective, self.vocabulary_size = objective, vocabulary_size
        models = models_of(architecture, objective.needs)
        if sentence := incompatibility(objective, models, architecture.name):
            raise WrongInput(sentence)
        self.backbone: Backbone = models["backbone"]
        self.decoder: Decoder | None = models["decoder"] if "decoder" in objective.needs else None
        self.width: int = self.backbone.width
        self.embedding_width: int = architecture.embedding_dim
        self.context: int = architecture.context
        self.embeddings = nn.ModuleDict(embedding_tables_of(objective, architecture, vocabulary_size, pretrained_by))
        own = {} if self.decoder is None else decoder_embedding_tables_of(architecture, vocabulary_size)
        self.decoder_embeddings = nn.ModuleDict(own)
        self.head_scale: float = self.width**-0.5 if architecture.head_style.scaled_head else 1.0
        self.output_map, self.unembedding, self.output_bias = self.output_layers(architecture)
        self.head = objective.build_head(self.shape(architecture))
        self.label_smoothing, self.z_loss = 0.0, 0.0

    def output_layers(
        self, architecture: Architecture
    ) -> tuple[nn.Linear | None, nn.Linear | None, nn.Parameter | None]:
        """Create what turns hidden states into logits in addition to the token embeddings, each where it is needed.

        Returns:
            The projection of hidden states to the width of the embeddings, the output embeddings where they are not
            tied, and the bias.
        """
        logits_from = self.objective.logits_from if "token" in self.embeddings else LogitsFrom.NOTHING
        narrow, size = self.embedding_width, self.vocabulary_size
        predicts = logits_from is not LogitsFrom.NOTHING
        table = nn.Linear(narrow, size, bias=False) if predicts and not architecture.tied else None
        projects = logits_from is LogitsFrom.HIDDEN_STATES and narrow != self.width
        projection = nn.Linear(self.width, narrow, bias=False) if projects else None
        if projection is not None:
            nn.init.normal_(projection.weight, std=self.width**-0.5)
        biased = predicts and architecture.head_style.output_bias
        return projection, table, nn.Parameter(torch.zeros(size)) if biased else None

    def shape(self, architecture: Architecture) -> ModelShape:
        """Return what the objective can know of the model."""
        style = architecture.head_style

        def backbone(**changed: Any) -> Backbone:
            return type(architecture).model_validate(architecture.model_dump() | changed).build()

        def smaller(width: float, layers: float) -> Backbone:
            return scaled(architecture, width, layers).build()

        return ModelShape(
            self.width,
            self.vocabulary_size,
            self.embedding_width,
            style.bias,
            style.norm_bias,
            style.epsilon,
            style.activation,
            backbone,
            smaller,
        )

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def embed(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Sum of the embeddings of the stream's inputs that have an embedder: [T, embedding width]. What a stream does
        not say of its segments is segment 0."""
        return summed({**self.embeddings}, stream, replaced)

    def embed_for_decoder(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """The same for what the decoder runs on, by its own tables where it has some."""
        return summed({**self.embeddings, **self.decoder_embeddings}, stream, replaced)

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
        if "token" not in self.embeddings:
            raise ValueError("the objective has no tokens among its inputs, so the model has no vocabulary")
        if self.output_map is not None and hidden.shape[-1] == self.width:
            hidden = self.output_map(hidden)
        tables = {**self.embeddings, **self.decoder_embeddings}
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
        return self.objective.losses(self, self.head, batch)


def summed(tables: Mapping[str, nn.Module], stream: Stream, replaced: Mapping[str, Tensor]) -> Tensor:
    """[T, width]: the sum of what the tables make of the stream's inputs."""
    inputs = {"segment": torch.zeros_like(stream.key), **stream.inputs, **replaced}
    return torch.stack([table(inputs[name]) for name, table in tables.items() if name in inputs]).sum(0)


def models_of(architecture: Architecture, roles: Container[str] = ("backbone", "decoder")) -> dict[str, Any]:
    """Build the models of an architecture by role; a decoder only where it has one and `roles` ask for it."""
    decoder = architecture.build_decoder() if "decoder" in roles else None
    return {"backbone": architecture.build()} | ({} if decoder is None else {"decoder": decoder})


def build_network(
    objective: Objective,
    architecture: Architecture,
    vocabulary_size: int,
    seed: int,
    pretrained_by: Objective | None = None,
) -> Network:
    """Build a network whose initial weights depend on nothing but the arguments."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(objective, architecture, vocabulary_size, pretrained_by)
