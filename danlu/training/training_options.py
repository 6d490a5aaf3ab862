"""What training settings change in a model before its first step: what is frozen, what the loss adds, how it runs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from danlu.errors import WrongInput, nearest
from danlu.training.layer_depth import blocks
from danlu.training.settings import TrainingSettings


def fit_out(model: nn.Module, settings: TrainingSettings) -> None:
    """Change the model in place; WrongInput names the setting that cannot be honoured."""
    freeze(model, settings.freeze)
    model.label_smoothing, model.z_loss = settings.label_smoothing, settings.z_loss  # type: ignore[assignment]
    if getattr(settings.optimizer, "layer_decay", 1.0) < 1:
        stacked(model, "optimizer.layer_decay")
    if settings.activation_checkpointing:
        checkpoint_activations(model)
    if settings.compile:
        compile_blocks(model)


def freeze(model: nn.Module, patterns: list[str]) -> None:
    """Weights whose name, or the name of a module they are in, a pattern matches are not trained."""
    for pattern in patterns:
        found = [p for n, p in model.named_parameters() if fnmatchcase(n, pattern) or fnmatchcase(n, f"{pattern}.*")]
        if not found:
            modules = [name for name, _ in model.named_modules() if name]
            raise WrongInput(f"training.freeze: {pattern!r} is no part of the model; {nearest(pattern, modules)}")
        for parameter in found:
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise WrongInput("training.freeze: nothing is left to train; freeze less")


def stacked(model: nn.Module, setting: str) -> list[nn.Module]:
    if found := blocks(model):
        return found
    raise WrongInput(f"training.{setting}: this architecture is no stack of blocks; leave it out")


def checkpoint_activations(model: nn.Module) -> None:
    """Keep only what enters each block and compute the rest again in the backward pass (Chen et al. 2016): less
    memory, about a third more work, the same numbers."""
    for block in stacked(model, "activation_checkpointing"):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def compile_blocks(model: nn.Module) -> None:
    """torch.compile for each block. A copy of the model is not compiled. On a CPU it is for any number of positions; on
    a GPU, where batches are filled up to few numbers of them, for each until there are more."""
    for block in stacked(model, "compile"):
        on_gpu = next(block.parameters()).device.type == "cuda"
        block.compile(dynamic=None if on_gpu else True)
