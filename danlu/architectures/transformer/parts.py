"""Builders of the parts of a block from the settings, for backbones and decoders."""

from __future__ import annotations

from torch import nn

from danlu.architectures.transformer.attention import Attention
from danlu.architectures.transformer.feed_forward import Gated, Plain
from danlu.architectures.transformer.norms import NORMS
from danlu.architectures.transformer.relative import RelativePositions
from danlu.architectures.transformer.settings import TransformerSettings


def build_norm(settings: TransformerSettings, width: int) -> nn.Module:
    """Create a norm of the kind given by the setting `norm`."""
    return NORMS[settings.norm](width, settings.epsilon, settings.norm_bias)


def build_first_norm(settings: TransformerSettings, layer: int) -> nn.Module:
    """Create the norm of the attention sublayer of layer number `layer`, from 0; the identity if it is omitted."""
    omitted = layer == 0 and not settings.first_norm and not settings.post_norm
    return nn.Identity() if omitted else build_norm(settings, settings.width)


def build_attention(settings: TransformerSettings, window: int | None = None) -> Attention:
    """Create an attention sublayer."""
    d = settings.head_size
    return Attention(
        settings.width,
        settings.heads,
        settings.num_kv_heads,
        d,
        settings.bias,
        (build_norm(settings, d), build_norm(settings, d)) if settings.qk_norm else None,
        window,
        settings.scaled_attention,
    )


def build_feed_forward(settings: TransformerSettings) -> Plain | Gated:
    """Create a feed-forward sublayer."""
    kind = Gated if settings.gated else Plain
    return kind(settings.width, settings.ffn_width, settings.activation, settings.bias)


def build_relative_positions(settings: TransformerSettings, bidirectional: bool) -> RelativePositions | None:
    """Create the relative position biases, shared by all layers of a stack; None if positions are not relative."""
    if settings.positions != "relative":
        return None
    return RelativePositions(settings.relative_buckets, settings.max_relative_distance, settings.heads, bidirectional)


def initialise(block: nn.Module) -> None:
    """Initialise the linear layers of a block.

    Weights are normally distributed with standard deviation 1/sqrt(inputs). The last linear layer of each sublayer is
    zero, so that the block starts as the identity (Zhang et al. 2019). If attention scores are not divided by
    sqrt(head width), the query weights are divided by it at initialisation (Raffel et al. 2020).
    """
    for module in block.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in block.modules():
        if isinstance(module, Attention):
            nn.init.zeros_(module.out.weight)
            if not module.scaled:
                module.query.weight.data.mul_(module.shape[2] ** -0.5)
        elif isinstance(module, Plain | Gated):
            nn.init.zeros_(module.down.weight)
