"""What a task's fine-tuned model answers comes back from JSON, and fits the weights the task has trained."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from examples import OBJECTIVES, TASKS, example_of
from pairs import LEARNABLE, MACHINE, VARIANTS, architecture_of, first_fitting, split_settings

from danlu.architectures import build_network
from danlu.config.schema import TaskRecipe
from danlu.interop import read_model
from danlu.objective import ModelShape
from danlu.registry import objectives, tasks
from danlu.runs.finetune_task import Finetuning, Pretrained
from danlu.tasks.predictors import heads
from danlu.tasks.rows import LabelledRows
from danlu.tokens.kinds.byte_bpe import ByteBPE

CLASSES = ("gold", "iron", "tin")


@pytest.mark.parametrize("full", [True, False], ids=["full", "causal"])
@pytest.mark.parametrize("name", list(tasks))
def test_a_head_comes_back_and_holds_the_same_weights(name, full):
    task = tasks.validate(example_of("task", name, TASKS))
    head = task.head(CLASSES, full)
    again = heads.validate(head.model_dump(mode="json"))
    assert again == head
    made = [
        objective.build_head(ModelShape(8, 50)).state_dict()
        for objective in (task.objective(CLASSES, full), again.objective())
    ]
    assert {k: v.shape for k, v in made[0].items()} == {k: v.shape for k, v in made[1].items()}
    assert again.objective().needs == task.objective(CLASSES, full).needs


def objective_of(learnable):
    _, name, *settings = learnable.split(":")
    return objectives.validate(example_of("objective", name, OBJECTIVES) | split_settings(settings))


OF_TEXT = [one for one in LEARNABLE if one.startswith("objective:") and objective_of(one).reads_tokens]


@pytest.mark.parametrize("learnable", OF_TEXT)
def test_a_classifier_of_what_any_objective_trained_comes_back(learnable, tmp_path):
    """Every weight of it, whatever tables the objective has brought, and none shared with the model it began with."""
    objective = objective_of(learnable)
    _, fitting = first_fitting([learnable], ("transformer", *VARIANTS))
    architecture, tokenizer = architecture_of(fitting), ByteBPE(size=300).train(["The mill."] * 3)
    trained = build_network(objective, architecture, tokenizer.vocabulary.size, seed=1).eval()
    model = Pretrained(objective, architecture, tokenizer, trained.vocabulary_size, None, lambda: trained)
    recipe = TaskRecipe(model="m", task=example_of("task", "classify", TASKS))
    run = SimpleNamespace(path=tmp_path)
    tuning = Finetuning(run, MACHINE, None, None, model, "t", recipe, LabelledRows((), (), (), CLASSES))  # type: ignore[arg-type]
    network = tuning.network("ours", seed=0)
    begun = {name: value.clone() for name, value in network.state_dict().items()}
    kept = [name for name in begun if name.startswith(("embeddings.", "backbone."))]
    assert all(torch.equal(begun[name], trained.state_dict()[name]) for name in kept)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1
    assert all(torch.equal(begun[name], trained.state_dict()[name]) for name in kept)
    tuning.save(network)
    saved = read_model(tuning.folder / "model").network.state_dict()
    assert saved.keys() == begun.keys()
    assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())
    blank = tuning.network("random_weights", seed=0).state_dict()
    assert {name: value.shape for name, value in blank.items()} == {name: v.shape for name, v in begun.items()}
