"""The predictor of a task round-trips through JSON and fits the weights that the task has trained."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
from examples import OBJECTIVES, TASKS, example_of
from pairs import (
    LEARNABLE,
    MACHINE,
    PRETRAINED,
    VARIANTS,
    architecture_of,
    first_fitting,
    pretrained,
    split_settings,
    toy_task,
)

from danlu.architectures import build_network
from danlu.config.schema import TaskRecipe
from danlu.interop import read_model
from danlu.objective import ModelShape
from danlu.registry import objectives, tasks
from danlu.runs.finetune_task import Finetuning, Pretrained
from danlu.tasks.predictor import predictors
from danlu.tasks.rows import LabelledRows
from danlu.tasks.task import Ties
from danlu.tokens.kinds.byte_bpe import ByteBPE

CLASSES = ("gold", "iron", "tin")


@pytest.mark.parametrize("order", list(PRETRAINED))
@pytest.mark.parametrize("name", list(tasks))
def test_a_predictor_round_trips_and_has_the_same_weight_shapes(name, order, tmp_path):
    task, rows = toy_task(name, tmp_path)
    predictor = task.predictor(rows, pretrained(order))
    again = predictors.validate(predictor.model_dump(mode="json"))
    assert again == predictor
    trained, saved = task.objective(rows, pretrained(order)), again.objective()
    shapes = [{k: v.shape for k, v in o.build_head(ModelShape(8, 50)).state_dict().items()} for o in (trained, saved)]
    assert shapes[0] == shapes[1]
    assert saved.needs == trained.needs


@pytest.mark.parametrize("name", list(tasks))
def test_predictions_are_json_and_every_metric_scores_them(name, tmp_path):
    """For a network and for the baselines; a prediction does not depend on its neighbours."""
    task, rows = toy_task(name, tmp_path)
    tokenizer = ByteBPE(size=300).train([str(text) for text in task.inputs(rows.train)])
    predictor = task.predictor(rows, pretrained("full"))
    architecture = architecture_of("transformer")
    network = build_network(predictor.objective(), architecture, tokenizer.vocabulary.size, 0).double().eval()
    found = task.predict(network, predictor, rows.test, tokenizer)
    assert len(found) == len(rows.test)
    assert json.loads(json.dumps(found)) == found
    for row, prediction in zip(rows.test[:3], found, strict=False):
        assert task.predict(network, predictor, [row], tokenizer)[0] == pytest.approx(prediction)
    baselines = task.baselines(task.sample(rows, 0), rows.test, 0)
    for predictions in (found, *baselines.values()):
        for choice in predictions.predictions if isinstance(predictions, Ties) else (predictions,):
            figures = task.score(rows.test, choice)
            assert list(figures) == [metric.name for metric in task.metrics]
            for figure in figures.values():
                assert figure.low is None or figure.low <= figure.value
                assert figure.high is None or figure.value <= figure.high
    tables = {name: asdict(table) for name, table in task.details(rows.test, found).items()}
    json.dumps([tables, task.facts(rows), dict(rows.facts)])


def objective_of(learnable):
    _, name, *settings = learnable.split(":")
    return objectives.validate(example_of("objective", name, OBJECTIVES) | split_settings(settings))


OF_TEXT = [one for one in LEARNABLE if one.startswith("objective:") and objective_of(one).reads_tokens]


@pytest.mark.parametrize("learnable", OF_TEXT)
def test_a_classifier_on_any_pretrained_model_is_saved_and_loaded(learnable, tmp_path):
    """With every weight, whatever tables the objective adds, and without sharing weights with the pre-trained model."""
    objective = objective_of(learnable)
    _, fitting = first_fitting([learnable], ("transformer", *VARIANTS))
    architecture, tokenizer = architecture_of(fitting), ByteBPE(size=300).train(["The mill."] * 3)
    trained = build_network(objective, architecture, tokenizer.vocabulary.size, seed=1).eval()
    model = Pretrained(objective, architecture, tokenizer, trained.vocabulary_size, None, lambda: trained)
    recipe = TaskRecipe(model="m", task=example_of("task", "classify", TASKS))
    run = SimpleNamespace(path=tmp_path)
    tuning = Finetuning(run, MACHINE, None, None, model, "t", recipe, LabelledRows((), (), (), classes=CLASSES))  # type: ignore[arg-type]
    network = tuning.network("ours", seed=0)
    initial = {name: value.clone() for name, value in network.state_dict().items()}
    kept = [name for name in initial if name.startswith(("embeddings.", "backbone."))]
    assert all(torch.equal(initial[name], trained.state_dict()[name]) for name in kept)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1
    assert all(torch.equal(initial[name], trained.state_dict()[name]) for name in kept)
    tuning.save(network)
    saved = read_model(tuning.folder / "model").network.state_dict()
    assert saved.keys() == initial.keys()
    assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())
    blank = tuning.network("random_weights", seed=0).state_dict()
    assert {name: value.shape for name, value in blank.items()} == {name: v.shape for name, v in initial.items()}
