"""How deep in a model a parameter lies, and the blocks a backbone is a stack of; known by names alone."""

from __future__ import annotations

from torch import nn

EMBEDDINGS, STACKS = ("embeddings", "decoder_embeddings"), ("backbone", "decoder")
"""What a network calls them, from the input up."""


def blocks(model: nn.Module) -> list[nn.Module]:
    """The blocks of the model's backbone, from the input up, and after them those of its decoder; none where they are
    no stacks of modules."""
    stacks = [m for m in (getattr(model, name, None) for name in STACKS) if isinstance(m, nn.Module)]
    return [b for stack in stacks for child in stack.children() if isinstance(child, nn.ModuleList) for b in child]


def depths(model: nn.Module) -> dict[str, int]:
    """{parameter: depth}: 0 for embeddings and what else comes before the first block, then 1 for the first block and
    so on; what follows the last block of a stack is one deeper than that, and heads are deepest."""
    number = {id(p): i for i, block in enumerate(blocks(model), 1) for p in block.parameters()}
    top = max(number.values(), default=0) + 1
    found: dict[str, int] = {}
    reached = dict.fromkeys(STACKS, 0)
    for name, parameter in model.named_parameters():
        part = name.split(".")[0]
        if part in EMBEDDINGS:
            found[name] = 0
        elif part in STACKS:
            found[name] = number.get(id(parameter), reached[part] + 1 if reached[part] else 0)
            reached[part] = max(reached[part], number.get(id(parameter), 0))
        else:
            found[name] = top
    return found
