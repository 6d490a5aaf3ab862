"""Fine-tuning outside a run: the controls, the saved classifier, and resuming."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.api import finetune as tuning
from danlu.architectures import build_network
from danlu.errors import Stopped, WrongInput
from danlu.interop import read_model, save_native
from danlu.registry import architectures, objectives
from danlu.runs import finetune_task as finetuning
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.training.journal import CLOCK_FIELDS

pytest.importorskip("sklearn")
MACHINE = ["machine={dtype: float32, threads: 1}", "training.batch_tokens=128"]
SHORT = ["training.optimizer.learning_rate=1e-2", *MACHINE]
LABELS = ("iron", "gold", "tin")


def write_rows(folder):
    for split, count in (("train", 45), ("test", 30)):
        rows = [f"{split} {i} the {LABELS[i % 3]} melts\t{LABELS[i % 3]}" for i in range(count)]
        (folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]), "utf-8")


@pytest.fixture(scope="module", params=["causal", pytest.param("masked", marks=pytest.mark.slow)])
def folder(request, tmp_path_factory):
    """Rows, and a model of either objective in run/model/small."""
    folder = tmp_path_factory.mktemp(request.param)
    write_rows(folder)
    recipe = write_tiny_recipe(folder)
    danlu.pretrain(recipe, [f"models.small.objective={request.param}"], out=folder / "run")
    return folder


@pytest.fixture(scope="module")
def tuned(folder):
    """(folder, results of a complete fine-tuning in `ft`)."""
    results = danlu.finetune(
        folder / "run/model/small", folder / "train.tsv", folder / "test.tsv",
        labels_per_class=10, seeds=2, budget="60 steps", out=folder / "ft", overrides=SHORT,
    )  # fmt: skip
    return folder, results


def test_the_results_have_the_form_of_a_task_of_a_run(tuned):
    _, results = tuned
    (task,) = results["tasks"]
    assert set(task["scores"]) == {"ours", "random_weights", "tfidf", "majority"}
    for score in task["scores"].values():
        assert len(score["seeds"]) == 2
        assert (score["low"] is None) == (score["seeds"][0] == score["seeds"][1])
    assert set(task["differences"]) == {"random_weights", "tfidf"}
    assert (task["train_rows"], task["test_rows"], task["steps"]) == (30, 30, 60)
    assert "danlu finetune" in results["command"]
    wrong = [example["expected"] != example["predicted"] for example in task["examples"]]
    assert all(wrong)
    assert len(wrong) == min(20, round(30 * (1 - task["scores"]["ours"]["seeds"][0])))


def test_the_report_of_a_finetuning_shows_its_curves_and_no_empty_section(tuned):
    folder, _ = tuned
    page = (folder / "ft" / "report.html").read_text("utf-8")
    assert re.findall(r'<section id="(\w+)"', page) == ["outcome", "task", "reproduce"]
    assert 'aria-labelledby="finetune-0-caption"' in page


def test_the_saved_model_reproduces_its_score(tuned):
    folder, results = tuned
    model = danlu.load(folder / "ft")
    texts = [f"test {i} the {LABELS[i % 3]} melts" for i in range(30)]
    found = model.classify(texts)
    assert all(sum(chances.values()) == pytest.approx(1) for chances in found)
    assert all(list(chances.values()) == sorted(chances.values(), reverse=True) for chances in found)
    right = np.mean([next(iter(chances)) == LABELS[i % 3] for i, chances in enumerate(found)])
    assert right == pytest.approx(results["tasks"][0]["scores"]["ours"]["seeds"][0])
    assert right > 0.5  # chance is a third; the label is in the text
    alone = [model.classify([text])[0] for text in texts[:4]]
    for one, together in zip(alone, found[:4], strict=True):
        assert one == pytest.approx(together, abs=1e-6)


def test_a_classifier_embeds_texts_and_refuses_to_generate(tuned):
    folder, _ = tuned
    model = danlu.load(folder / "ft" / "tasks" / "labels" / "model")
    assert model.embed(["a text"]).shape == (1, 16)
    with pytest.raises(WrongInput, match="'classify', which does not continue text"):
        model.generate("The")
    with pytest.raises(WrongInput, match="which does not classify; load a fine-tuned model"):
        danlu.load(folder / "run").classify(["a text"])


def test_a_stopped_finetuning_resumes_bit_for_bit(tuned):
    folder, results = tuned
    again = {
        "model": folder / "run/model/small", "train": folder / "train.tsv", "test": folder / "test.tsv",
        "labels_per_class": 10, "seeds": 2, "budget": "60 steps", "out": folder / "cut", "overrides": SHORT,
    }  # fmt: skip
    seen = []
    for at in (("finetune/labels/ours-0", 5), ("finetune/labels/random_weights-1", 3)):
        watch = lambda record, plan: seen.append((record["stage"], record["step"]))  # noqa: E731
        with pytest.raises(Stopped):
            danlu.finetune(**again, watch=watch, stop=lambda at=at: seen[-1] == at)
    whole = danlu.finetune(**again)
    assert whole["tasks"][0]["scores"] == results["tasks"][0]["scores"]
    states = [load_file(folder / run / "tasks/labels/model/model.safetensors") for run in ("ft", "cut")]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert not CLOCK_FIELDS & set(whole["tasks"][0])


def test_every_seed_starts_from_the_saved_weights(folder, monkeypatch):
    """Regression: one loaded model served all seeds, so later seeds started from tuned embeddings."""
    initial, train = {}, finetuning.train

    def watched(job):
        initial[job.stage] = {k: v.clone() for k, v in job.model.state_dict().items()}
        return train(job)

    monkeypatch.setattr(finetuning, "train", watched)
    danlu.finetune(
        folder / "run/model/small", folder / "train.tsv", folder / "test.tsv",
        labels_per_class=10, seeds=3, budget="18 steps", out=folder / "seeds", overrides=SHORT,
    )  # fmt: skip
    saved = read_model(folder / "run/model/small").network.state_dict()
    for seed in range(3):
        own = initial[f"finetune/labels/ours-{seed}"]
        names = [name for name in own if name.startswith(("embeddings.", "backbone."))]
        assert "embeddings.token.weight" in names
        assert [name for name in names if not torch.equal(own[name], saved[name])] == []
        blank = initial[f"finetune/labels/random_weights-{seed}"]
        assert own.keys() == blank.keys()
        assert not torch.equal(own["embeddings.token.weight"], blank["embeddings.token.weight"])


def test_a_model_that_reads_no_text_is_refused_in_one_line(folder, tmp_path):
    patches = objectives.validate("patches")
    small = {"name": "transformer", "layers": 1, "width": 8, "heads": 2, "context": 16}
    architecture, tokenizer = architectures.validate(small), ByteBPE(size=300).train(["The mill."] * 3)
    network = build_network(patches, architecture, tokenizer.vocabulary.size, 0)
    save_native(network, tokenizer, tmp_path / "m", patches, architecture)
    with pytest.raises(WrongInput, match="model: the model is trained by patches, which reads no text") as refused:
        danlu.finetune(tmp_path / "m", folder / "train.tsv", folder / "test.tsv", out=tmp_path / "none")
    assert "\n" not in str(refused.value)


def test_a_changed_model_is_refused(tuned, tmp_path):
    folder, _ = tuned
    danlu.pretrain(write_tiny_recipe(tmp_path), ["models.small.training.seed=5"], out=tmp_path / "run")
    place = folder / "run" / "model" / "small"
    place.rename(tmp_path / "away")
    (tmp_path / "run" / "model" / "small").rename(place)
    try:
        with pytest.raises(
            WrongInput,
            match=r"^the model .*/small changed since the run in .*/ft was started: sha256 was '[0-9a-f]{12}...', is ",
        ):
            danlu.finetune(
                place, folder / "train.tsv", folder / "test.tsv",
                labels_per_class=10, seeds=2, budget="60 steps", out=folder / "ft", overrides=SHORT,
            )  # fmt: skip
    finally:
        place.rename(tmp_path / "other")
        (tmp_path / "away").rename(place)


def test_settings_of_one_call_do_not_affect_the_next(folder, tmp_path):
    """Regression: settings of a call were written into the defaults of the process."""
    before = copy.deepcopy(tuning.DEFAULT_TRAINING)
    with pytest.raises(WrongInput, match="no column"):
        danlu.finetune(
            folder / "run/model/small", folder / "train.tsv", folder / "test.tsv", text="none", out=tmp_path / "none",
            overrides=["training.optimizer.learning_rate=0.5"],
        )  # fmt: skip
    assert before == tuning.DEFAULT_TRAINING


def test_changed_rows_are_refused(tuned):
    """Regression: seeds before and after the change were scored on different rows and paired."""
    folder, _ = tuned
    table = folder / "test.tsv"
    before = table.read_text("utf-8")
    table.write_text(f"{before}\none more that the tin melts\ttin", "utf-8")
    try:
        with pytest.raises(WrongInput, match=r"^the table of rows of the task 'labels' changed since") as error:
            danlu.finetune(
                folder / "run/model/small", folder / "train.tsv", table,
                labels_per_class=10, seeds=2, budget="60 steps", out=folder / "ft", overrides=SHORT,
            )  # fmt: skip
        assert "\n" not in str(error.value)
    finally:
        table.write_text(before, "utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "lable"}, "no column 'lable'; did you mean 'label'"),
        ({"text": "txt"}, "no column 'txt'; did you mean 'text'"),
        ({"labels_per_class": 16}, "16 labels per class are asked for, but class 'gold' has 15 rows"),
        ({"overrides": ["task.max_tokens=64"]}, "task.max_tokens: 64 exceeds the context of the model"),
        ({"overrides": ["training.bugdet=1s"]}, "training.bugdet: unknown key 'bugdet'; did you mean 'budget'"),
        ({"overrides": ["training.patience=2"]}, "has no dev rows to select on"),
        (
            {"overrides": ["training.seed=7"]},
            "training.seed: each training of a task has its own seed; set first_seed instead",
        ),
        ({"overrides": ["training.optimizer.betas=[0.9, 1.0]"]}, "less than 1"),
        ({"train": "tran.tsv"}, "tran.tsv does not exist; did you mean .*train.tsv"),
        ({"model": "nothing"}, "nothing is not a folder"),
    ],
)
def test_wrong_arguments_are_one_line_and_leave_no_directory(folder, tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(folder)
    arguments = {
        "model": "run/model/small",
        "train": "train.tsv",
        "test": "test.tsv",
        "out": tmp_path / "none",
    } | change
    with pytest.raises(WrongInput, match=message) as refused:
        danlu.finetune(**arguments)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "none").exists()


def test_long_texts_are_truncated_to_the_context(folder):
    """By default; a limit above the model's context would be meaningless or crash."""
    model = folder / "run" / "model" / "small"
    danlu.finetune(
        model,
        folder / "train.tsv",
        folder / "test.tsv",
        seeds=1,
        budget="1 step",
        out=folder / "short",
        overrides=MACHINE,
    )
    found = danlu.load(folder / "short")
    assert found.predictor.max_tokens == found.context == 16
    assert found.classify(["the gold melts " * 50])
