"""How deep in a model a parameter lies, and the blocks a backbone is a stack of; known by names alone."""

from __future__ import annotations

from torch import nn


def blocks(model: nn.Module) -> list[nn.Module]:
    """The blocks of the model's backbone, from the input up; none where it is not a stack of modules."""
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, nn.Module):
        return []
    return [block for child in backbone.children() if isinstance(child, nn.ModuleList) for block in child]


def depths(model: nn.Module) -> dict[str, int]:
    """{parameter: depth}: 0 for embeddings and what else comes before the first block, then 1 for the first block and
    so on; what follows the last block, heads among it, is one deeper than that."""
    number = {id(p): i for i, block in enumerate(blocks(model), 1) for p in block.parameters()}
    top = max(number.values(), default=0) + 1
    found, reached = {}, 0
    for name, parameter in model.named_parameters():
        if name.startswith("embedders."):
            found[name] = 0
            continue
        if name.startswith("backbone."):
            reached = number.get(id(parameter), top if reached else 0)
            found[name] = reached
        else:
            found[name] = top
    return found
