"""`danlu pretrain`, `finetune`, `classify`, `evaluate`, `export`; every verb has --json."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys

import click
import pytest
from safetensors.torch import load_file, save_file
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.commands.main import VERBS
from danlu.config.loading import load_recipe
from danlu.errors import Stopped
from danlu.runs.directory import RunDirectory

FITTING = "models.small.architecture={name: qwen3, layers: 1, width: 16, heads: 2, context: 16}"
MACHINE = "machine={dtype: float32, threads: 1}"


def leaves(command, name):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            yield from leaves(command.get_command(context, below), f"{name} {below}")
    else:
        yield name, command


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "schema"])  # prints nothing but JSON
def test_every_verb_has_json(verb):
    for name, command in leaves(importlib.import_module(f"danlu.commands.{verb}").command, verb):
        assert "--json" in {option for p in command.params for option in p.opts}, name


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a tiny Qwen3 run, rows for fine-tuning and a text."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("trained")
    danlu.pretrain(write_tiny_recipe(folder), [FITTING], out=folder / "run")
    for split, count in (("train", 20), ("test", 10)):
        rows = [f"{split} {i} the {('iron', 'gold')[i % 2]} melts\t{('iron', 'gold')[i % 2]}" for i in range(count)]
        (folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]), "utf-8")
    return folder


@pytest.fixture
def here(trained, tmp_path):
    """A copy of that folder, in which commands run."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_model_verbs_print_only_json_on_stdout(danlu_command, here):
    pytest.importorskip("sklearn")
    model = "run/model/small"
    found = {}
    for name, words in {
        "pretrain": ["pretrain", "tiny.yaml", "--from", model, "--out", "on"],
        "finetune": ["finetune", model, MACHINE, "--train", "train.tsv", "--test", "test.tsv", "--seeds", 1,
                     "--budget", "1 step", "--out", "ft"],
        "classify": ["classify", "ft", "the gold melts", "the iron melts"],
        "evaluate": ["evaluate", model, "text.txt", "--documents", "line"],
        "export": ["export", "run", "--to", "hf"],
        "embed": ["embed", model, "text.txt"],
        "embed to a file": ["embed", model, "text.txt", "--out", "v.npy"],
        "show": ["show", "tiny.yaml"],
    }.items():  # fmt: skip
        code, out, err = danlu_command(*words, "--json")
        assert code == 0, err
        found[name] = json.loads(out)
    assert found["pretrain"]["pretrain"][0]["start"]["folder"] == model
    assert set(found["finetune"]["tasks"][0]["scores"]) == {"ours", "random_weights", "tfidf", "majority"}
    assert [row["text"] for row in found["classify"]] == ["the gold melts", "the iron melts"]
    assert found["evaluate"]["text"]["documents"] == 50
    assert found["export"]["class"] == "Qwen3ForCausalLM"
    assert len(found["embed"]["vectors"]) == found["embed"]["texts"] == 50
    assert found["embed to a file"] == {k: v for k, v in found["embed"].items() if k != "vectors"} | {"file": "v.npy"}


def test_model_verbs_print_readable_text(danlu_command, here):
    pytest.importorskip("sklearn")
    code, out, err = danlu_command(
        "evaluate", "run/model/small", "text.txt", "--documents", "line", "--train", "text.txt"
    )
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()[1:6]} == {"causal", "ngram5", "unigram", "zstd", "zstd_primed"}
    assert "50 documents of the text are also in the training text" in out
    assert any("50 documents" in line for line in err)
    words = ["run/model/small", "--train", "train.tsv", "--test", "test.tsv", "--seeds", 1, "--budget", "1 step"]
    code, out, err = danlu_command("finetune", *words, MACHINE)
    assert (code, out) == (0, "runs/small-labels/report.html\n")
    assert any(line.startswith("labels     tfidf: accuracy") for line in err)
    code, out, _ = danlu_command("classify", "runs/small-labels", "the gold melts")
    assert code == 0
    assert out.splitlines()[1].split()[0] in ("gold", "iron")
    code, out, err = danlu_command("export", "run", "--to", "hf")
    assert (code, out) == (0, "hf\n")
    assert "largest logit difference" in err[0]


def test_continues_pretraining_on_a_text_without_a_recipe(danlu_command, here):
    words = ["models.continued.training.budget=2 steps", "--out", "on"]
    code, out, err = danlu_command("pretrain", "text.txt", "--from", "run/model/small", *words)
    assert (code, out) == (0, "on/report.html\n")
    assert any("starts from run/model/small" in line for line in err)
    assert load_recipe("on.yaml").models["continued"].start == "run/model/small"
    assert danlu.load("on").generate("The", tokens=2)


def test_a_recipe_with_several_models_needs_the_model_option(danlu_command, here):
    message = one_line(danlu_command("pretrain", "smoke", "--from", "run/model/small"))
    assert message == "danlu: --from: smoke.yaml has the models decoder, encoder; choose one with --model"
    message = one_line(danlu_command("pretrain", "smoke", "--model", "decodr"))
    assert "--model: smoke.yaml has no model 'decodr'; did you mean 'decoder'?" in message


def one_line(result):
    code, out, err = result
    assert (code, out, len(err)) == (2, "", 1), err
    assert err[0].startswith("danlu: ")
    return err[0]


def drop(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def without_manifest(change):
    def apply(folder):
        (folder / "manifest.json").unlink()
        change(folder)

    return apply


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def as_pickle(folder):
    drop("danlu.json")(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def other_family(folder):
    drop("danlu.json")(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "qwen2"}))


def another_weight(folder):
    state = load_file(folder / "model.safetensors")
    save_file(state | {"lm_head.bias": next(iter(state.values())).clone()}, folder / "model.safetensors")


DAMAGE = {
    "weights cut off": (cut_weights, "model.safetensors is damaged: its hash differs from the manifest"),
    "weights cut off, no manifest": (without_manifest(cut_weights), "model.safetensors is damaged ("),
    "weights missing": (drop("model.safetensors"), "model.safetensors is missing"),
    "another weight": (without_manifest(another_weight), "has an unknown weight lm_head.bias"),
    "pickled weights": (without_manifest(as_pickle), "model.safetensors is missing"),
    "no tokenizer": (without_manifest(drop("tokenizer.json")), "has no tokenizer.json"),
    "broken tokenizer": (
        without_manifest(lambda f: (f / "tokenizer.json").write_text("{}")), "is not a file of the tokenizers library",
    ),
    "broken metadata": (without_manifest(lambda f: (f / "danlu.json").write_text("{")), "danlu.json is damaged"),
    "metadata of a later version": (
        without_manifest(lambda f: (f / "danlu.json").write_text('{"format": 3}')), "reads formats 1 to 2: upgrade",
    ),
    "an unknown family": (without_manifest(other_family), "model_type 'qwen2' is not supported; did you mean 'qwen3'?"),
    "neither": (without_manifest(drop("danlu.json", "config.json")), "it has neither danlu.json nor config.json"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_foreign_and_damaged_models_are_one_line_for_every_verb(danlu_command, here, damage):
    change, expected = DAMAGE[damage]
    change(here / "run" / "model" / "small")
    model = "run/model/small"
    rows = ["--train", "train.tsv", "--test", "test.tsv", "--out", "ft", MACHINE, "task.max_tokens=16"]
    for words in (
        ["evaluate", model, "text.txt"],
        ["export", model, "--to", "hf"],
        ["finetune", model, *rows],
        ["pretrain", "tiny.yaml", "--from", model, "--out", "on"],
        ["generate", model, "The"],
    ):
        code, out, err = danlu_command(*words)
        assert (code, out) == (2, ""), words
        assert expected in err[-1], words
        assert err[-1].startswith("danlu: ")
        assert not any("Traceback" in line for line in err)
    assert not (here / "on" / "checkpoints").exists()
    assert not (here / "ft" / "tasks").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pretrain", "tiny.yaml", "--from", "run/model/smal"], "run/model/smal is not a folder"),
        (
            ["pretrain", "tiny.yaml", "models.small.architecture={context: 64}", "--from", "run/model/small"],
            "64 exceeds the maximum of 16 tokens of the model in run/model/small; lower it to at most 16",
        ),
        (
            ["pretrain", "tiny.yaml", "models.small.architecture={heads: 1}", "--from", "run/model/small"],
            "heads was 2, is 1; leave it out of the recipe",
        ),
        (["finetune", "run/model/small", "--train", "train.tsv"], "give --test FILE or --split 0.2"),
        (["finetune", "run/model/small", "--train", "train.tsv", "--test", "tset.tsv"], "did you mean"),
        (
            ["finetune", "run/model/small", "--train", "train.tsv", "--test", "test.tsv", "--label", "labl"],
            "train.tsv:1: no column 'labl'; did you mean 'label'?",
        ),
        (
            ["finetune", "run/model/small", "task.max_tokens=99", "--train", "train.tsv", "--test", "test.tsv"],
            "99 exceeds the context of the model; lower it to at most 16",
        ),
        (
            ["finetune", "run/model/small", "--train", "latin.tsv", "--test", "test.tsv"],
            "latin.tsv:2: is not UTF-8; save the file as UTF-8",
        ),
        (["evaluate", "run/model/small", "latin.txt"], "latin.txt holds no text to evaluate on (1 not UTF-8)"),
        (["evaluate", "run/model/small", "txet.txt"], "txet.txt does not exist; did you mean text.txt?"),
        (["evaluate", "run/model/small", "text.txt", "--every", "1"], "'--every'"),
        (["embed", "run/model/small", "latin.txt"], "latin.txt:2: is not UTF-8; save it as UTF-8"),
        (["classify", "run/model/small", "text"], "which does not classify; load a fine-tuned model"),
        (["export", "run"], "Missing option '--to'"),
        (["export", "run", "--to", "hf", "--model", "smal"], "did you mean 'small'?"),
        (["export", "text.txt", "--to", "hf"], "text.txt is not a folder"),
    ],
    ids=lambda x: " ".join(x[:4]) if isinstance(x, list) else "",
)
def test_wrong_arguments_and_files_are_one_line(danlu_command, here, words, expected):
    (here / "latin.tsv").write_bytes("text\tlabel\ncaf\xe9\tiron\nbar\tgold\n".encode("latin-1"))
    (here / "latin.txt").write_bytes("coffee\ncaf\xe9".encode("latin-1"))
    assert expected in one_line(danlu_command(*words))


def test_a_tokenizer_other_than_the_models_is_refused_before_step_1(danlu_command, here):
    words = ["tokenizer={name: byte_bpe, size: 280}", "--from", "run/model/small", "--out", "on"]
    code, out, err = danlu_command("pretrain", "tiny.yaml", *words)
    assert (code, out) == (2, "")
    assert (
        "is not the one that the model in run/model/small was trained with (it has 280 entries, the model's 300)"
        in err[-1]
    )
    assert not (here / "on" / "checkpoints").exists()


class Absent:
    """A finder that raises the import error of one package that is not installed."""

    def __init__(self, name):
        self.name = name

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        ("sklearn", ["finetune", "run/model/small", "--train", "train.tsv", "--test", "test.tsv", "--out", "ft"]),
        ("transformers", ["export", "run", "--to", "hf"]),
        ("transformers", ["run", "tiny.yaml", FITTING, "--out", "ft"]),
        ("pyarrow", ["evaluate", "run/model/small", "a.parquet"]),
    ],
)
def test_a_missing_extra_is_reported_before_any_work(danlu_command, here, monkeypatch, absent, words):
    (here / "a.parquet").write_bytes(b"PAR1")
    for name in [name for name in sys.modules if name.partition(".")[0] == absent]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(absent), *sys.meta_path])
    message = one_line(danlu_command(*words))
    assert re.search(r"install it with: .*pip install .*\[\w+\]'$", message)
    assert f" needs {absent}" in message
    assert not (here / "ft").exists()
    assert not (here / "hf").exists()


def test_a_directory_in_use_by_another_run_is_refused(danlu_command, here):
    directory = RunDirectory(here / "other", load_recipe("tiny.yaml"))
    try:
        assert "other is in use by another run" in one_line(danlu_command("pretrain", "tiny.yaml", "--out", "other"))
        words = ["run/model/small", "--train", "train.tsv", "--test", "test.tsv", "--out", "other"]
        assert "other is in use by another run" in one_line(danlu_command("finetune", *words))
    finally:
        directory.close()


def test_a_stopped_finetuning_resumes(danlu_command, here, monkeypatch):
    pytest.importorskip("sklearn")
    words = [MACHINE, "--train", "train.tsv", "--test", "test.tsv", "--seeds", 1, "--budget", "2 steps", "--out", "ft"]
    original = danlu.finetune

    def stopped(*given, **options):
        return original(*given, **options | {"stop": lambda: True})

    monkeypatch.setattr(danlu, "finetune", stopped, raising=False)
    code, out, err = danlu_command("finetune", "run/model/small", *words)
    assert (code, out) == (Stopped.code, "")
    assert "saved; run it again to resume" in err[-1]
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert danlu_command("finetune", "run/model/small", *words)[0] == 0
