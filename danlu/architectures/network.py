"""The network that is trained: embeddings, backbone, decoder, output layers and the head of the objective.

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
from danlu.architectures.scaling import scale_architecture
from danlu.batch import Batch, Memory, Stream
from danlu.errors import WrongInput
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, incompatibility


class Network(nn.Module, ModelAPI):
    """A model of some architecture with the head of an objective.

    `network(batch)` returns {term: sum of losses}; `network(None)` returns a zero that depends on all parameters (see
    `forward`).

    Args:
        objective: the objective that trains the network.
        architecture: the settings of the backbone and, if the objective requires one, the decoder.
        vocabulary_size: rows of the token embeddings.
        pretrained_by: the pre-training objective, if `objective` is that of a fine-tuning task (`embedding_tables_of`).

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
        decoder_tables = {} if self.decoder is None else decoder_embedding_tables_of(architecture, vocabulary_size)
        self.decoder_embeddings = nn.ModuleDict(decoder_tables)
        self.head_scale: float = self.width**-0.5 if architecture.head_style.scaled_head else 1.0
        self.output_map, self.unembedding, self.output_bias = self.output_layers(architecture)
        self.head = objective.build_head(self.shape(architecture))
        self.label_smoothing, self.z_loss = 0.0, 0.0

    def output_layers(
        self, architecture: Architecture
    ) -> tuple[nn.Linear | None, nn.Linear | None, nn.Parameter | None]:
        """Create the layers between hidden states and logits.

        Returns:
            The projection of hidden states to the width of the embeddings, the untied output embeddings, and the bias
            of the logits; each is None if it is not needed.
        """
        logits_from = self.objective.logits_from if "token" in self.embeddings else LogitsFrom.NOTHING
        embedding_width, size = self.embedding_width, self.vocabulary_size
        predicts = logits_from is not LogitsFrom.NOTHING
        unembedding = nn.Linear(embedding_width, size, bias=False) if predicts and not architecture.tied else None
        projects = logits_from is LogitsFrom.HIDDEN_STATES and embedding_width != self.width
        projection = nn.Linear(self.width, embedding_width, bias=False) if projects else None
        if projection is not None:
            nn.init.normal_(projection.weight, std=self.width**-0.5)
        has_bias = predicts and architecture.head_style.output_bias
        return projection, unembedding, nn.Parameter(torch.zeros(size)) if has_bias else None

    def shape(self, architecture: Architecture) -> ModelShape:
        """Return the properties of the model that the objective can use in `build_head`."""
        style = architecture.head_style

        def backbone(**changed: Any) -> Backbone:
            return type(architecture).model_validate(architecture.model_dump() | changed).build()

        def smaller(width: float, layers: float) -> Backbone:
            return scale_architecture(architecture, width, layers).build()

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
        """Return the blocks of the backbone and of the decoder, if there is one, in the order of the forward pass."""
        return [model.stack() for model in (self.backbone, self.decoder) if model is not None]

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def embed(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Return the summed embeddings [T, embedding width] of the inputs that have a table.

        A stream without segments is segment 0. `replaced` overrides inputs of the stream by name.
        """
        return sum_embeddings({**self.embeddings}, stream, replaced)

    def embed_for_decoder(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Return the summed embeddings [T, embedding width] for the decoder, whose own tables take precedence."""
        return sum_embeddings({**self.embeddings, **self.decoder_embeddings}, stream, replaced)

    def hidden(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Return the hidden states [T, width]; `replaced` overrides inputs of the stream by name."""
        return self.backbone(self.embed(stream, **replaced), stream)

    def decode(self, stream: Stream, memory: Memory, **replaced: Tensor) -> Tensor:
        """Return the decoder's hidden states [T, width]; sequence k attends to sequence k of the memory."""
        if self.decoder is None:
            raise ValueError(f"the network has no decoder, since objective {self.objective.name!r} does not need one")
        return self.decoder(self.embed_for_decoder(stream, **replaced), stream, memory)

    def token_logits(self, hidden: Tensor, logits_from: LogitsFrom = LogitsFrom.HIDDEN_STATES) -> Tensor:
        """Return the logits [T, vocabulary].

        If the decoder has its own token embeddings (`shared_embeddings: false`), tied output embeddings are the
        decoder's, also for hidden states of the backbone.

        Args:
            hidden: hidden states [T, width], or the output [T, embedding width] of the objective's head.
            logits_from: which of the two `hidden` is.
        """
        if "token" not in self.embeddings:
            raise ValueError(
                f"objective {self.objective.name!r} has no token input, so the network has no token logits"
            )
        if self.output_map is not None and logits_from is LogitsFrom.HIDDEN_STATES:
            hidden = self.output_map(hidden)
        tables = {**self.embeddings, **self.decoder_embeddings}
        weight = tables["token"].weight if self.unembedding is None else self.unembedding.weight
        hidden = hidden if self.head_scale == 1 else hidden * self.head_scale
        return F.linear(hidden, weight, self.output_bias)  # type: ignore[arg-type]

    def token_loss(self, hidden: Tensor, labels: Tensor, logits_from: LogitsFrom = LogitsFrom.HIDDEN_STATES) -> Tensor:
        """Return the cross-entropy in nats, summed over positions with labels [T] >= 0.

        Logits are computed at these positions only.
        """
        at = (labels >= 0).nonzero().squeeze(1)  # one GPU synchronisation instead of one per indexing
        return self.class_loss(self.token_logits(hidden[at], logits_from), labels[at])

    def class_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the summed cross-entropy in nats of logits [n, classes] and labels [n], in float32 or wider.

        In training mode, labels are smoothed by `label_smoothing`, and `z_loss` times the squared log-sum-exp of the
        logits is added.
        """
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if not self.training:
            return F.cross_entropy(wide, labels, reduction="sum")
        loss = F.cross_entropy(wide, labels, reduction="sum", label_smoothing=self.label_smoothing)
        return loss + self.z_loss * wide.logsumexp(-1).square().sum() if self.z_loss else loss

    def forward(self, batch: Batch | None) -> dict[str, Tensor]:
        """Return the loss of each term, summed over a batch; for None, the sum of all parameters times zero.

        Every step ends with a backward pass of that zero, so that parameters without a gradient in any micro-batch get
        a zero gradient instead of None. The optimizer then treats them in the same way however a step is split.
        """
        if batch is None:
            return {"": 0.0 * torch.stack([p.sum() for p in self.parameters() if p.requires_grad]).sum()}
        return self.objective.losses(self, self.head, batch)


def sum_embeddings(tables: Mapping[str, nn.Module], stream: Stream, replaced: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the embeddings of a stream's inputs, [T, embedding width]."""
    inputs = {"segment": torch.zeros_like(stream.key), **stream.inputs, **replaced}
    return torch.stack([table(inputs[name]) for name, table in tables.items() if name in inputs]).sum(0)


def models_of(architecture: Architecture, roles: Container[str] = ("backbone", "decoder")) -> dict[str, Any]:
    """Build the models of an architecture, by role; a decoder only if it has one and `roles` contains it."""
    decoder = architecture.build_decoder() if "decoder" in roles else None
    return {"backbone": architecture.build()} | ({} if decoder is None else {"decoder": decoder})


def build_network(
    objective: Objective,
    architecture: Architecture,
    vocabulary_size: int,
    seed: int,
    pretrained_by: Objective | None = None,
) -> Network:
    """Build a network whose initial weights depend only on the arguments."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(objective, architecture, vocabulary_size, pretrained_by)
