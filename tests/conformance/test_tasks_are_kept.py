"""What a task's fine-tuned model answers comes back from JSON, and fits the weights the task has trained."""

from __future__ import annotations

import pytest
from examples import TASKS, example_of

from danlu.registry import tasks
from danlu.tasks.heads import heads
from danlu.waist import ModelShape

CLASSES = ("gold", "iron", "tin")


@pytest.mark.parametrize("full", [True, False], ids=["full", "causal"])
@pytest.mark.parametrize("name", list(tasks))
def test_a_head_comes_back_and_holds_the_same_weights(name, full):
    task = tasks.validate(example_of("task", name, TASKS))
    head = task.head(CLASSES, full)
    again = heads.validate(head.model_dump(mode="json"))
    assert again == head
    made = [
        objective.parts(ModelShape(8, 50)).state_dict()
        for objective in (task.objective(CLASSES, full), again.objective())
    ]
    assert {k: v.shape for k, v in made[0].items()} == {k: v.shape for k, v in made[1].items()}
    assert again.objective().needs == task.objective(CLASSES, full).needs
