"""The model being trained: embeddings, backbone, vocabulary head, and the head of the objective.

Shapes: T positions of a stream, S positions of a memory, n selected positions.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
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
    """A model of an architecture that is trained by an objective.

    `network(batch)` returns {term: sum of losses}; `network(None)` returns the tie (see `forward`).

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

    def stacks(self) -> list[Sequence[nn.Module]]:
        """Return the blocks of the backbone from the input up, and those of the decoder if there is one."""
        return [model.stack() for model in (self.backbone, self.decoder) if model is not None]

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def embed(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Return the summed embeddings [T, embedding width] of the inputs that have a table.

        A stream without segments is segment 0. `replaced` overrides inputs of the stream by name.
        """
        return summed({**self.embeddings}, stream, replaced)

    def embed_for_decoder(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Return the summed embeddings [T, embedding width] for a decoder, by its own tables where it has them."""
        return summed({**self.embeddings, **self.decoder_embeddings}, stream, replaced)

    def hidden(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Return the hidden states [T, width]; `replaced` overrides inputs of the stream by name."""
        return self.backbone(self.embed(stream, **replaced), stream)

    def decode(self, stream: Stream, memory: Memory, **replaced: Tensor) -> Tensor:
        """Return the decoder's hidden states [T, width]; sequence k attends to sequence k of the memory."""
        if self.decoder is None:
            raise ValueError(f"the network has no decoder, since objective {self.objective.name!r} needs none")
        return self.decoder(self.embed_for_decoder(stream, **replaced), stream, memory)

    def token_logits(self, hidden: Tensor, logits_from: LogitsFrom = LogitsFrom.HIDDEN_STATES) -> Tensor:
        """Return the logits [T, vocabulary].

        `hidden` is [T, width] for hidden states and [T, embedding width] for the output of the objective's own head.

        Tied output embeddings are those of the decoder where it has its own (`shared_embeddings: false`), for hidden
        states of the backbone too.
        """
        if "token" not in self.embeddings:
            raise ValueError(
                f"objective {self.objective.name!r} has no tokens among its inputs, so there are no logits"
            )
        if self.output_map is not None and logits_from is LogitsFrom.HIDDEN_STATES:
            hidden = self.output_map(hidden)
        tables = {**self.embeddings, **self.decoder_embeddings}
        weight = tables["token"].weight if self.unembedding is None else self.unembedding.weight
        hidden = hidden if self.head_scale == 1 else hidden * self.head_scale
        return F.linear(hidden, weight, self.output_bias)  # type: ignore[arg-type]

    def token_loss(self, hidden: Tensor, labels: Tensor, logits_from: LogitsFrom = LogitsFrom.HIDDEN_STATES) -> Tensor:
        """Return the summed cross-entropy in nats at labelled positions; logits are computed for no others."""
        at = (labels >= 0).nonzero().squeeze(1)  # waits for a GPU once, not at each use
        return self.class_loss(self.token_logits(hidden[at], logits_from), labels[at])

    def class_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the summed cross-entropy in nats of logits [n, classes], in float32 or wider.

        In training mode `label_smoothing` applies, and `z_loss` times the squared log of the softmax's denominator is
        added.
        """
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if not self.training:
            return F.cross_entropy(wide, labels, reduction="sum")
        loss = F.cross_entropy(wide, labels, reduction="sum", label_smoothing=self.label_smoothing)
        return loss + self.z_loss * wide.logsumexp(-1).square().sum() if self.z_loss else loss

    def forward(self, batch: Batch | None) -> dict[str, Tensor]:
        """Return the loss of each term, summed over a batch; for None the tie, the sum of all parameters times zero.

        A step ends with the tie. Parameters that no micro-batch reached get a zero gradient instead of none, so that
        the optimiser treats them the same however a step is split. In a sharded run, every process takes part in the
        reduction of the step whatever its batches hold.
        """
        if batch is None:
            return {"": 0.0 * torch.stack([p.sum() for p in self.parameters() if p.requires_grad]).sum()}
        return self.objective.losses(self, self.head, batch)


def summed(tables: Mapping[str, nn.Module], stream: Stream, replaced: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the embeddings of a stream's inputs, [T, embedding width]."""
    inputs = {"segment": torch.zeros_like(stream.key), **stream.inputs, **replaced}
    return torch.stack([table(inputs[name]) for name, table in tables.items() if name in inputs]).sum(0)


def models_of(architecture: Architecture, roles: Container[str] = ("backbone", "decoder")) -> dict[str, Any]:
    """Build the models of an architecture by role; a decoder only if it has one and `roles` contains it."""
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
