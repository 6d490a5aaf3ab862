"""The blocks of a network, and the depth of each parameter, for layer-wise learning rates."""

from __future__ import annotations

from torch import nn

from danlu.architectures.network import Network

EMBEDDINGS, STACKS = ("embeddings", "decoder_embeddings"), ("backbone", "decoder")
"""Modules of a network before its blocks, and modules that contain blocks."""


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of the backbone, then those of the decoder, in the order of the forward pass."""
    return [block for stack in model.stacks() for block in stack] if isinstance(model, Network) else []


def depths(model: nn.Module) -> dict[str, int]:
    """Return the depth of each parameter, by name.

    Embeddings and other parameters before the first block have depth 0, the first block has depth 1, and so on.
    Parameters after the last block of a stack are one deeper than that block. Heads have the greatest depth.
    """
    block_depth = {id(p): i for i, block in enumerate(blocks(model), 1) for p in block.parameters()}
    top = max(block_depth.values(), default=0) + 1
    depth: dict[str, int] = {}
    deepest = dict.fromkeys(STACKS, 0)
    for name, parameter in model.named_parameters():
        module = name.split(".")[0]
        if module in EMBEDDINGS:
            depth[name] = 0
        elif module in STACKS:
            depth[name] = block_depth.get(id(parameter), deepest[module] + 1 if deepest[module] else 0)
            deepest[module] = max(deepest[module], block_depth.get(id(parameter), 0))
        else:
            depth[name] = top
    return depth
