"""The parts of a block as the settings choose them, for encoders and decoders alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from danlu.architectures.transformer.attention import Attention
from danlu.architectures.transformer.feed_forward import Gated, Plain
from danlu.architectures.transformer.norms import NORMS
from danlu.architectures.transformer.relative import RelativePositions

if TYPE_CHECKING:
    from danlu.architectures.transformer.transformer import Transformer


def norm_of(settings: Transformer, width: int) -> nn.Module:
    return NORMS[settings.norm](width, settings.epsilon, settings.norm_bias)


def first_norm_of(settings: Transformer, layer: int) -> nn.Module:
    """The norm of the first half of layer number `layer`."""
    unnormed = layer == 0 and not settings.first_norm and not settings.post_norm
    return nn.Identity() if unnormed else norm_of(settings, settings.width)


def attention_of(settings: Transformer, window: int | None = None) -> Attention:
    d = settings.each_head
    head_norms = (norm_of(settings, d), norm_of(settings, d)) if settings.head_norm else None
    return Attention(
        settings.width,
        settings.heads,
        settings.groups,
        d,
        settings.bias,
        head_norms,
        window,
        settings.scaled_attention,
    )


def feed_forward_of(settings: Transformer) -> Plain | Gated:
    kind = Gated if settings.gated else Plain
    return kind(settings.width, settings.inner, settings.activation, settings.bias)


def relative_of(settings: Transformer, both: bool) -> RelativePositions | None:
    """One table for a whole stack, where positions are relative."""
    if settings.positions != "relative":
        return None
    return RelativePositions(settings.buckets, settings.farthest, settings.heads, both)


def initialise(block: nn.Module) -> None:
    """Normal weights of standard deviation 1/sqrt(inputs); the last map of each half starts at zero, so that a block
    begins as the identity (Zhang et al. 2019). Where scores are not divided by sqrt(head width), queries begin smaller
    by as much (Raffel et al. 2020)."""
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
