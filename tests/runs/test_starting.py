"""Pre-training from a saved model: starts from its exact weights, resumes bit for bit, and refuses incompatible
models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.architectures import build_network
from danlu.config.continuation_draft import draft_continuation
from danlu.config.loading import load_recipe
from danlu.config.schema import ModelRecipe
from danlu.console.event_text import event_lines
from danlu.errors import Stopped, WrongInput
from danlu.interop import export, read_model, save_native
from danlu.objectives.causal import Causal
from danlu.registry import architectures, objectives
from danlu.runs import pretrain_model as pretraining
from danlu.runs.events import WeightsTransferred
from danlu.runs.warm_start import initialise_from
from danlu.tasks.predictor import predictors
from danlu.tokens.kinds.byte_bpe import ByteBPE

FITTING = "models.small.architecture={name: qwen3, layers: 1, width: 16, heads: 2, context: 16}"
TASK = """\
tasks:
  place:
    model: small
    task: {name: classify, rows: {train: train.tsv, test: test.tsv}, labels_per_class: null, max_tokens: 16}
    training: {budget: 3 steps, batch_tokens: 64, validations: 1, optimizer: {name: adamw, learning_rate: 1e-3}}
    seeds: 2
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    path = write_tiny_recipe(folder)
    other = Path(path).read_text("utf-8").replace("text.txt", "more.txt")
    lines = (folder / "text.txt").read_text("utf-8").replace("furnace", "kiln")
    (folder / "more.txt").write_text(lines, "utf-8")
    (folder / "more.yaml").write_text(other, "utf-8")
    return path


@pytest.fixture(scope="module")
def more(recipe):
    """The same recipe on another text."""
    return str(Path(recipe).with_name("more.yaml"))


@pytest.fixture(scope="module")
def saved(recipe, tmp_path_factory):
    """The folder of a trained model."""
    folder = tmp_path_factory.mktemp("saved")
    danlu.pretrain(recipe, out=folder / "run")
    return folder / "run" / "model" / "small"


@pytest.fixture
def first_weights(monkeypatch):
    """The weights at the start of each training."""
    seen, train = [], pretraining.train

    def watched(job):
        seen.append({k: v.clone() for k, v in job.model.state_dict().items()})
        return train(job)

    monkeypatch.setattr(pretraining, "train", watched)
    return seen


def states_equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_training_starts_from_the_saved_weights_and_updates_them(more, saved, first_weights, tmp_path):
    results = danlu.pretrain(more, out=tmp_path / "run", start=saved)
    before = read_model(saved).network.state_dict()
    (initial,) = first_weights
    assert states_equal(initial, before)
    assert not states_equal(read_model(tmp_path / "run/model/small").network.state_dict(), before)
    (entry,) = results["pretrain"]
    assert entry["start"]["folder"] == str(saved)
    assert {key: entry["start"][key] for key in NOTHING} == NOTHING
    assert results["tokenizer"]["size"] == 300
    assert danlu.load(saved).tokenizer.fingerprint == danlu.load(tmp_path / "run").tokenizer.fingerprint


def test_the_saved_recipe_is_complete_and_reproduces_the_run(more, saved, tmp_path):
    danlu.pretrain(more, out=tmp_path / "a", start=saved)
    written = load_recipe(str(tmp_path / "a" / "recipe.yaml"))
    assert written.models["small"].start == str(saved)
    assert written.models["small"].architecture == read_model(saved).facts.architecture
    danlu.run(written, out=tmp_path / "b")
    final = [load_file(tmp_path / run / "model/small/model.safetensors") for run in "ab"]
    assert states_equal(*final)


def test_a_stopped_run_resumes_bit_for_bit(more, saved, tmp_path):
    danlu.pretrain(more, out=tmp_path / "whole", start=saved)
    seen = []
    with pytest.raises(Stopped):
        danlu.pretrain(
            more, out=tmp_path / "cut", start=saved,
            watch=lambda record, plan: seen.append(record["step"]), stop=lambda: seen[-1] == 3,
        )  # fmt: skip
    danlu.pretrain(more, out=tmp_path / "cut", start=saved)
    assert states_equal(*(load_file(tmp_path / run / "model/small/model.safetensors") for run in ("whole", "cut")))


def test_a_changed_start_is_refused_during_training_and_not_needed_after(more, saved, tmp_path):
    start = tmp_path / "start"
    shutil.copytree(saved, start)
    with pytest.raises(Stopped):
        danlu.pretrain(more, out=tmp_path / "run", start=start, stop=lambda: True)
    network, tokenizer = read_model(start).network, danlu.load(start).tokenizer
    with torch.no_grad():
        next(network.parameters()).add_(1)
    facts = read_model(saved).facts
    shutil.rmtree(start)
    save_native(network, tokenizer, start, facts.objective, facts.architecture)
    words = r"^models.small.start: .* changed since the run in .* sha256 was .*; restore it, or "
    with pytest.raises(WrongInput, match=words) as refused:
        danlu.pretrain(more, out=tmp_path / "run", start=start)
    assert "\n" not in str(refused.value)
    shutil.rmtree(start)
    shutil.copytree(saved, start)
    done = danlu.pretrain(more, out=tmp_path / "run", start=start)
    written = load_recipe(str(tmp_path / "run" / "recipe.yaml"))
    shutil.rmtree(start)
    assert danlu.run(written, out=tmp_path / "run")["pretrain"] == done["pretrain"]


def test_training_starts_from_a_folder_saved_by_transformers(more, recipe, tmp_path, first_weights):
    danlu.pretrain(recipe, [FITTING], out=tmp_path / "run")
    folder = tmp_path / "run/model/small"
    before = read_model(folder).network.state_dict()
    for name in ("danlu.json", "manifest.json", "README.md", "tokenizer_facts.json"):
        (folder / name).unlink()
    results = danlu.pretrain(more, out=tmp_path / "on", start=folder)
    assert states_equal(first_weights[-1], before)
    assert results["exports"][0]["class"] == "Qwen3ForCausalLM"


def test_a_padded_vocabulary_stays_padded(more, tmp_path):
    tokenizer = ByteBPE(size=300).train(["The kiln burns north of the river."] * 3)
    architecture = architectures.validate({"name": "qwen3", "layers": 1, "width": 16, "heads": 2, "context": 16})
    network = build_network(Causal(), architecture, 320, seed=3)
    export(network, tokenizer, tmp_path / "padded", Causal(), architecture)
    danlu.pretrain(more, out=tmp_path / "run", start=tmp_path / "padded")
    assert read_model(tmp_path / "run/model/small").network.vocabulary_size == 320


def test_the_head_of_another_objective_is_new_and_reported(more, saved, tmp_path):
    facts = read_model(saved).facts
    text = Path(more).read_text("utf-8").replace("objective: causal", f"start: {saved}\n    objective: masked")
    text = "\n".join(line for line in text.splitlines() if "architecture:" not in line and "tokenizer:" not in line)
    (tmp_path / "masked.yaml").write_text(text, "utf-8")
    results = danlu.pretrain(tmp_path / "masked.yaml", out=tmp_path / "run")
    start = results["pretrain"][0]["start"]
    assert start["unused"] == []
    assert set(start["new"]) == {"head.dense.weight", "head.norm.weight"}
    assert read_model(tmp_path / "run/model/small").facts.architecture == facts.architecture


NOTHING = {"new": [], "unused": [], "resized": [], "ignored": []}
"""A transfer that copied every weight."""

SHAPE = {"layers": 1, "width": 16, "heads": 2, "context": 16}
NARROW = {"albert": {"embedding_width": 8}}
SEGMENT = "embeddings.segment"
OTHER_OBJECTIVES = [
    ("transformer", "masked", {"name": "next_sentence", "masked": False}, [SEGMENT, "head.pair"], ["head.dense"]),
    ("transformer", "masked", "denoising", ["decoder"], ["head.dense", "head.norm"]),
    ("transformer", "denoising", "masked", ["head.dense", "head.norm"], ["decoder"]),
    ("electra", {"name": "replaced", "generator": None}, "masked", ["output_bias"], ["head.detector"]),
    ("albert", "masked", "causal", ["output_map"], ["head.dense"]),
    ("roberta", "masked", "next_sentence", ["head.masked", "head.pair"], ["head.dense", "head.norm"]),
    ("roberta", "next_sentence", "masked", ["head.dense", "head.norm"], ["head.masked", "head.pair"]),
]
"""Architecture, objective of the saved model, new objective, and some modules that are new and unused."""


def folder_of(objective, architecture, folder, seed=3):
    """Save an untrained model; return (network, architecture)."""
    objective, tokenizer = objectives.validate(objective), ByteBPE(size=300).train(["The kiln burns."] * 3)
    chosen = architectures.validate({"name": architecture, **SHAPE, **NARROW.get(architecture, {})})
    network = build_network(objective, chosen, tokenizer.vocabulary.size, seed)
    save_native(network, tokenizer, folder, objective, chosen)
    return network, chosen


@pytest.mark.parametrize(("architecture", "first", "second", "new", "unused"), OTHER_OBJECTIVES)
def test_new_and_unused_weights_of_another_objective_are_reported(architecture, first, second, new, unused, tmp_path):
    network, chosen = folder_of(first, architecture, tmp_path / "m")
    model = build_network(objectives.validate(second), chosen, network.vocabulary_size, seed=4)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    transfer = initialise_from(model, {"folder": str(tmp_path / "m")}, "small")
    lines = event_lines(WeightsTransferred("small", transfer))
    kinds = {"new, randomly initialised: ": ("new", new), "unused weights of the saved model: ": ("unused", unused)}
    for words, (key, names) in kinds.items():
        line = next((line for line in lines if words in line), "")
        assert bool(line) == bool(transfer[key])
        assert [name for name in names if name not in line] == []
    before, after = network.state_dict(), model.state_dict()
    resized = {table["name"] for table in transfer["resized"]}
    for name, value in after.items():
        if name in transfer["new"]:
            assert torch.equal(value, fresh[name])
        elif name not in resized:
            assert torch.equal(value, before[name])
        else:
            both = min(len(value), len(before[name]))
            assert torch.equal(value[:both], before[name][:both])
            assert torch.equal(value[both:], fresh[name][both:])
    assert resized == ({f"{SEGMENT}.weight"} if architecture == "roberta" else set())
    assert before.keys() - after.keys() <= set(transfer["unused"])
    assert not [name for name in transfer["new"] if name.startswith("backbone.")]


def test_a_shorter_context_keeps_the_first_positions(tmp_path):
    network, chosen = folder_of("causal", "gpt2", tmp_path / "m")
    model = build_network(Causal(), chosen.model_copy(update={"context": 8}), network.vocabulary_size, seed=4)
    transfer = initialise_from(model, {"folder": str(tmp_path / "m")}, "small")
    table = {"name": "embeddings.position.weight", "source_rows": 16, "target_rows": 8}
    assert transfer == NOTHING | {"resized": [table]}
    assert event_lines(WeightsTransferred("", transfer)) == ["resized: embeddings.position.weight (16 -> 8 rows)"]
    rows = model.state_dict()["embeddings.position.weight"]
    assert torch.equal(rows, network.state_dict()["embeddings.position.weight"][:8])


def test_the_head_of_a_fine_tuned_model_is_not_transferred(tmp_path):
    """A classifier has no output layer over the vocabulary either, so that is new as well."""
    head = predictors.validate({"name": "classify", "classes": ["a", "b"], "full": False, "max_tokens": 8})
    chosen = architectures.validate({"name": "llama", **SHAPE, "tied": False})
    tokenizer = ByteBPE(size=300).train(["It."])
    size = tokenizer.vocabulary.size
    tuned = build_network(head.objective(), chosen, size, 3, Causal())
    save_native(tuned, tokenizer, tmp_path / "m", Causal(), chosen, head)
    start = {"folder": str(tmp_path / "m")}
    found = initialise_from(build_network(Causal(), chosen, size, seed=4), start, "small")
    assert found == NOTHING | {"new": ["unembedding.weight"], "unused": ["head.1.bias", "head.1.weight"]}


def other_objective(more, start, objective, folder):
    """A recipe that starts from a folder with another objective."""
    text = Path(more).read_text("utf-8").replace("objective: causal", f"start: {start}\n    objective: {objective}")
    text = "\n".join(line for line in text.splitlines() if "architecture:" not in line and "tokenizer:" not in line)
    (folder / "other.yaml").write_text(text, "utf-8")
    return folder / "other.yaml"


def test_a_run_prints_the_newly_initialised_weights(more, saved, tmp_path):
    lines = []
    recipe = other_objective(more, saved, "denoising", tmp_path)
    results = danlu.pretrain(recipe, ["models.small.prompts=[]"], out=tmp_path / "run", say=lines.append)
    assert "small      new, randomly initialised: decoder" in lines
    new = results["pretrain"][0]["start"]["new"]
    assert new
    assert all(name.startswith("decoder.") for name in new)


def test_missing_sentinels_of_a_saved_vocabulary_are_refused_in_one_line(more, saved, tmp_path):
    """Regression: the message said to leave out a tokenizer that was not in the recipe."""
    with pytest.raises(
        WrongInput, match=r"models.small.objective: spans needs 100 sentinels .* has 0; choose"
    ) as error:
        danlu.pretrain(other_objective(more, saved, "spans", tmp_path), out=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_discriminator_and_generator_of_an_export_are_both_loaded(tmp_path):
    """The main folder of an export describes only the discriminator; the generator is in a subfolder."""
    objective = objectives.validate({"name": "replaced", "rate": 0.3, "generator": {"width": 0.5}})
    chosen = architectures.validate({"name": "electra", **SHAPE, "embedding_width": 8})
    tokenizer = ByteBPE(size=300).train(["The kiln burns."] * 3)
    network = build_network(objective, chosen, tokenizer.vocabulary.size, seed=3)
    export(network, tokenizer, tmp_path / "m", objective, chosen)
    recipe = ModelRecipe.model_validate({"start": str(tmp_path / "m")})
    assert recipe.objective == objective
    model = build_network(recipe.objective, recipe.architecture, network.vocabulary_size, seed=4)
    start = {"folder": str(tmp_path / "m")}
    assert initialise_from(model, start, "small") == NOTHING
    assert states_equal(model.state_dict(), network.state_dict())
    changed = ModelRecipe.model_validate({"start": str(tmp_path / "m"), "objective": {"rate": 0.2}})
    assert changed.objective == objective.model_copy(update={"rate": 0.2})
    shutil.rmtree(tmp_path / "m" / "generator")
    model = build_network(recipe.objective, recipe.architecture, network.vocabulary_size, seed=4)
    found = initialise_from(model, start, "small")
    assert {name.split(".")[1] for name in found["new"] if name.startswith("head.")} == {"detector", "generator"}
    assert event_lines(WeightsTransferred("small", found))[0].startswith("small      new, randomly initialised: ")


def test_overrides_of_the_saved_settings_are_kept_in_the_recipe(more, saved, tmp_path):
    shorter = ["models.small.architecture={context: 8}"]
    danlu.pretrain(more, shorter, out=tmp_path / "run", start=saved)
    assert load_recipe(str(tmp_path / "run/recipe.yaml")).models["small"].architecture.context == 8


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["models.small.architecture={context: 32}"],
            "context: 32 exceeds the maximum of 16 tokens of the model in .*; lower it to at most 16",
        ),
        (
            ["models.small.architecture={heads: 1}"],
            "architecture differs from that of .*: heads was 2, is 1; leave it out",
        ),
        (["models.small.architecture={layers: 3}"], "layers was 1, is 3"),
        (["tokenizer={name: byte_bpe, size: 310}"], "it has 310 entries, the model's 300.; leave the tokenizer out"),
        (["tokenizer={name: byte_bpe, size: 300}"], "entry [0-9]+ is .*, the model's .*; leave the tokenizer out"),
    ],
)
def test_incompatible_settings_are_refused_before_step_1(more, saved, tmp_path, overrides, message):
    with pytest.raises(WrongInput, match=message) as refused:
        danlu.pretrain(more, overrides, out=tmp_path / "run", start=saved)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_retrained_equal_tokenizer_is_accepted(recipe, saved, tmp_path):
    """The recipe trains the tokenizer again, with an equal result."""
    again = ["tokenizer={name: byte_bpe, size: 300}"]
    assert danlu.pretrain(recipe, again, out=tmp_path / "run", start=saved)["pretrain"]


def test_a_start_that_is_not_a_model_is_refused_with_the_recipe_line(more, tmp_path):
    text = Path(more).read_text("utf-8").replace("objective: causal", "start: nowhere")
    (tmp_path / "wrong.yaml").write_text(text, "utf-8")
    with pytest.raises(WrongInput, match=r"wrong.yaml:4: models.small: start: nowhere is not a folder"):
        danlu.run(tmp_path / "wrong.yaml", out=tmp_path / "run")


def test_show_reports_the_start(more, saved, tmp_path):
    text = Path(more).read_text("utf-8").replace("objective: causal", f"start: {saved}")
    text = "\n".join(line for line in text.splitlines() if "architecture:" not in line and "tokenizer:" not in line)
    (tmp_path / "on.yaml").write_text(text, "utf-8")
    shown = danlu.show(tmp_path / "on.yaml")["models"]["small"]
    assert shown["objective"] == "causal"
    assert shown["start"]["folder"] == str(saved)
    assert {key: shown["start"][key] for key in NOTHING} == NOTHING
    text = text.replace(f"start: {saved}", f"start: {saved}\n    objective: prefix")
    (tmp_path / "on.yaml").write_text(text, "utf-8")
    assert danlu.show(tmp_path / "on.yaml")["models"]["small"]["start"]["new"] == []


def test_run_after_pretrain_only_runs_the_tasks(recipe, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    for split, count in (("train", 20), ("test", 10)):
        rows = [f"{split} {i} the {('iron', 'gold')[i % 2]} melts\t{('iron', 'gold')[i % 2]}" for i in range(count)]
        (tmp_path / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]), "utf-8")
    (tmp_path / "tasks.yaml").write_text(Path(recipe).read_text("utf-8") + TASK, "utf-8")
    monkeypatch.chdir(tmp_path)
    first = danlu.pretrain("tasks.yaml", out="run")
    assert first["tasks"] == []
    monkeypatch.setattr(pretraining, "train", lambda job: pytest.fail("trained again"))
    whole = danlu.run("tasks.yaml", out="run")
    assert whole["pretrain"] == first["pretrain"]
    (task,) = whole["tasks"]
    assert set(task["scores"]) == {"ours", "random_weights", "tfidf", "majority"}
    assert set(danlu.load("run/tasks/place/model").classify(["gold"])[0]) == {"iron", "gold"}
    assert json.loads(Path("run/results.json").read_text("utf-8"))["tasks"] == whole["tasks"]


def test_a_single_test_document_gives_a_report_without_interval(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for i in range(3):
        (texts / f"{i}.txt").write_text(f"The furnace number {i} burns. " * 40, "utf-8")
    corpus = f"corpus={{source: {texts}, documents: file}}"
    results = danlu.run(write_tiny_recipe(tmp_path), [corpus], out=tmp_path / "run")
    assert results["pretrain"][0]["test"]["documents"] == 1
    assert results["pretrain"][0]["bits_per_byte_interval"] is None
    assert (tmp_path / "run" / "report.html").exists()


def headless(folder):
    """Save an encoder without a head, as transformers does."""
    transformers = pytest.importorskip("transformers")
    tokenizer = ByteBPE(size=300).train(["The furnace stands north of the river and burns for 7 days."] * 3)
    config = transformers.BertConfig(
        vocab_size=tokenizer.vocabulary.size, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=32, bos_token_id=tokenizer.vocabulary.bos,
        eos_token_id=tokenizer.vocabulary.eos, pad_token_id=tokenizer.vocabulary.pad,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


def test_a_headless_encoder_is_trained_as_masked_and_exported_as_bert(recipe, tmp_path):
    """Regression: the draft named no trainable objective, and the trained model had no class in transformers."""
    start = headless(tmp_path / "m")
    draft = draft_continuation(Path(recipe).with_name("text.txt"), "10s", str(start))
    assert "objective: masked" in draft.text
    (tmp_path / "drafted.yaml").write_text(draft.text, "utf-8")
    lines, settings = [], "models.continued.training={budget: 2 steps, batch_tokens: 64, validation_tokens: 64}"
    fast = [settings, "machine={dtype: float32, threads: 1}", "corpus.validation=0.2", "corpus.test=0.2"]
    results = danlu.pretrain(tmp_path / "drafted.yaml", fast, out=tmp_path / "run", say=lines.append)
    assert results["exports"][0]["class"] == "BertForMaskedLM"
    assert results["exports"][0]["max_logit_difference"] <= 1e-4
    assert "continued  new, randomly initialised: head.dense, head.norm, output_bias" in lines
    assert "continued  ignored weights of the folder: pooler.dense" in lines


def test_a_headless_encoder_needs_an_objective_in_the_recipe(tmp_path):
    start = headless(tmp_path / "m")
    with pytest.raises(ValueError, match=r"is an encoder without a prediction head; choose an objective .* masked"):
        ModelRecipe.model_validate({"start": str(start)})
    assert ModelRecipe.model_validate({"start": str(start), "objective": "masked"}).architecture.output_bias


def test_fine_tuning_lists_ignored_weights(tmp_path):
    pytest.importorskip("sklearn")
    start, lines = headless(tmp_path / "m"), []
    for split, count in (("train", 20), ("test", 10)):
        rows = [f"{split} {i} the {('iron', 'gold')[i % 2]} melts\t{('iron', 'gold')[i % 2]}" for i in range(count)]
        (tmp_path / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]), "utf-8")
    tables = {"train": tmp_path / "train.tsv", "test": tmp_path / "test.tsv"}
    few = ["training.budget=1 steps", "seeds=1", "machine={dtype: float32, threads: 1}"]
    danlu.finetune(start, **tables, labels_per_class=None, overrides=few, out=tmp_path / "run", say=lines.append)
    assert any(line.endswith("ignored weights of the folder: pooler.dense") for line in lines)
