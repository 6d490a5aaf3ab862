"""RUN, RUN/model/NAME and RUN/tasks/NAME are accepted by every verb, which takes the model that it can use."""

from __future__ import annotations

import json
import shlex
import shutil
import sys

import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.api.model_folders import EMBED, EVALUATE, EXPORT, FILL, FINETUNE, GENERATE, PREDICT, PRETRAIN, choose_model
from danlu.commands.next_commands import program
from danlu.errors import WrongInput

MACHINE = "machine={dtype: float32, threads: 1}"
ENCODER = (
    "models.reader={objective: masked, architecture: {name: transformer, layers: 1, width: 16, heads: 2, context: 16, "
    "activation: relu2}, training: {budget: 2 steps, batch_tokens: 64, validations: 1, validation_tokens: 64}}"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run of a decoder `small` and an encoder `reader`, and the encoder fine-tuned in `tuned`."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("chosen")
    tiny = write_tiny_recipe(folder)
    for split, count in (("train", 12), ("test", 6)):
        rows = [f"{split} {i} the {('iron', 'gold')[i % 2]} melts\t{('iron', 'gold')[i % 2]}" for i in range(count)]
        (folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        danlu.run(tiny, [ENCODER], out="丹 炉", quiet=True)
        rows = {"train": "train.tsv", "test": "test.tsv", "seeds": 1, "budget": "1 step", "quiet": True}
        danlu.finetune("丹 炉", out="tuned", overrides=[MACHINE], **rows)
    return folder


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (GENERATE, "small"), (FILL, "reader"), (EVALUATE, "small"), (EMBED, "reader"), (FINETUNE, "reader"),
        (PRETRAIN, "reader"), (EXPORT, "reader"),
    ],
)  # fmt: skip
def test_a_run_gives_the_model_that_is_needed(here, use, name):
    lines = []
    assert str(choose_model("丹 炉", use, lines.append)) == f"丹 炉/model/{name}"
    assert len(lines) == (use not in (GENERATE, FILL))
    assert all(f"丹 炉/model/{name}; for another one, name its folder: 丹 炉/model/" in line for line in lines)
    assert str(choose_model("丹 炉/model/small", use)) == "丹 炉/model/small"
    assert str(choose_model("丹 炉", use, name="small")) == f"丹 炉/model/{'small' if use is not FILL else 'reader'}"


@pytest.mark.parametrize("place", ["tuned", "tuned/tasks/labels", "tuned/tasks/labels/model"])
def test_a_fine_tuned_model_is_found_by_run_task_and_folder(here, danlu_command, place):
    assert str(choose_model(place, PREDICT)) == "tuned/tasks/labels/model"
    assert danlu.load(place).predictor is not None


def test_the_fine_tuned_model_is_that_of_the_encoder(here):
    results = json.loads((here / "tuned/results.json").read_text("utf-8"))
    assert results["recipe"] == "fine-tuning of 丹 炉/model/reader"


def test_an_unfinished_run_has_no_model(here):
    shutil.rmtree("丹 炉/model")
    with pytest.raises(WrongInput, match="丹 炉 has no finished model yet; run its recipe to the end first"):
        choose_model("丹 炉", GENERATE)


def test_the_next_commands_of_a_run_can_be_pasted(danlu_command, trained, monkeypatch):
    code, _, err = danlu_command("run", trained / "tiny.yaml", ENCODER, "--out", trained / "丹 炉")
    assert code == 0, err
    commands = [shlex.split(line)[1:] for line in err if line.startswith("next")]
    assert [words[:2] for words in commands] == [["danlu", "generate"], ["danlu", "fill"]]
    assert [words[2] for words in commands] == [str(trained / "丹 炉" / "model" / m) for m in ("small", "reader")]
    for words in commands:
        assert danlu_command(*words[1:])[0] == 0


def test_danlu_is_called_as_it_can_be_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / ".venv" / "bin" / "danlu"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [".venv/bin/danlu", "run"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == [".venv/bin/danlu"]
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == ["danlu"]
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "danlu" / "__main__.py")])
    monkeypatch.setattr(sys, "executable", str(script.parent / "python"))
    assert program() == [".venv/bin/python", "-m", "danlu"]


@pytest.mark.slow
def test_an_encoder_without_a_head_is_pretrained_on_a_text(danlu_command, here):
    transformers = pytest.importorskip("transformers")
    size = danlu.load("丹 炉/model/reader").tokenizer.vocabulary.size
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=size, max_position_embeddings=32, **shape)
    transformers.BertModel(config).save_pretrained("bert")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(here / "丹 炉/model/reader" / name, here / "bert" / name)
    words = ["models.continued.training.budget=2 steps", MACHINE, "--out", "on"]
    code, out, err = danlu_command("pretrain", "text.txt", "--from", "bert", *words)
    assert (code, out) == (0, "on/report.html\n"), err
    assert any("exported to model/continued as BertForMaskedLM" in line for line in err)
    assert danlu_command("fill", "on", "the ___")[0] == 0
