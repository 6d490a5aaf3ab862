"""The depth of each parameter in a network, for learning rates that depend on it, and the blocks of a network."""

from __future__ import annotations

from torch import nn

from danlu.architectures.network import Network

EMBEDDINGS, STACKS = ("embeddings", "decoder_embeddings"), ("backbone", "decoder")
"""Modules of a network below its blocks, and modules that hold blocks."""


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of the backbone from the input up, then those of the decoder; none if they are no stacks."""
    return [block for stack in model.stacks() for block in stack] if isinstance(model, Network) else []


def depths(model: nn.Module) -> dict[str, int]:
    """Return the depth of each parameter by name.

    Embeddings and whatever else precedes the first block are at 0, the first block at 1, and so on. What follows the
    last block of a stack is one deeper than that block, and heads are deepest.
    """
    number = {id(p): i for i, block in enumerate(blocks(model), 1) for p in block.parameters()}
    top = max(number.values(), default=0) + 1
    found: dict[str, int] = {}
    reached = dict.fromkeys(STACKS, 0)
    for name, parameter in model.named_parameters():
        module = name.split(".")[0]
        if module in EMBEDDINGS:
            found[name] = 0
        elif module in STACKS:
            found[name] = number.get(id(parameter), reached[module] + 1 if reached[module] else 0)
            reached[module] = max(reached[module], number.get(id(parameter), 0))
        else:
            found[name] = top
    return found
