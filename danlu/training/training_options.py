"""Training settings that change the model before its first step: freezing, loss options, recomputation, compilation."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from danlu.architectures.former_names import former_name
from danlu.errors import WrongInput, nearest
from danlu.training.layer_depth import blocks
from danlu.training.settings import TrainingSettings


def apply_training_options(model: nn.Module, settings: TrainingSettings) -> None:
    """Apply the settings to the model in place.

    Raises:
        WrongInput: if the model does not support a setting.
    """
    freeze(model, settings.freeze)
    model.label_smoothing, model.z_loss = settings.label_smoothing, settings.z_loss  # type: ignore[assignment]
    if settings.optimizer.layer_decay < 1:
        require_blocks(model, "optimizer.layer_decay")
    if settings.activation_checkpointing:
        checkpoint_activations(model)
    if settings.compile:
        compile_blocks(model)


def freeze(model: nn.Module, patterns: list[str]) -> None:
    """Freeze the weights whose name, or the name of a module that contains them, matches a pattern.

    A pattern that matches no current name is compared with the former ones, so that runs of earlier versions resume.
    """
    for pattern in patterns:
        found = matching(model, pattern, lambda name: name) or matching(model, pattern, former_name)
        if not found:
            modules = [name for name, _ in model.named_modules() if name]
            raise WrongInput(
                f"training.freeze: {pattern!r} matches no weight or module of the model; {nearest(pattern, modules)}"
            )
        for parameter in found:
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise WrongInput("training.freeze: all weights are frozen; freeze fewer")


def matching(model: nn.Module, pattern: str, naming: Callable[[str], str]) -> list[nn.Parameter]:
    """Return the parameters whose name under `naming`, or the name of a module they are in, matches a pattern."""
    named = [(naming(name), p) for name, p in model.named_parameters()]
    return [p for name, p in named if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]


def require_blocks(model: nn.Module, setting: str) -> list[nn.Module]:
    """Return the blocks of a model; WrongInput, with the name of the setting, if it has none."""
    if found := blocks(model):
        return found
    raise WrongInput(f"training.{setting}: this architecture has no blocks; leave the setting out")


def checkpoint_activations(model: nn.Module) -> None:
    """Save only the input of each block and recompute its activations in the backward pass (Chen et al. 2016).

    This takes less memory and about a third more computation; the results are the same.
    """
    for block in require_blocks(model, "activation_checkpointing"):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def compile_blocks(model: nn.Module) -> None:
    """Compile each block with torch.compile.

    On a CPU, the compiled block accepts any number of positions. On a GPU, where batches are padded to few sizes,
    PyTorch compiles for each size up to its limit. Deep copies of the model are not compiled.
    """
    for block in require_blocks(model, "compile"):
        on_gpu = next(block.parameters()).device.type == "cuda"
        block.compile(dynamic=None if on_gpu else True)
