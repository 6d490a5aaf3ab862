"""`danlu run FOLDER` and `danlu init`: from a text without a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from danlu.config.loading import load_recipe
from danlu.runs.directory import RunDirectory

PLACES = ("north of the river", "under the pines", "behind the mill", "by the old gate", "where the road ends")
TINY = [
    *(f"models.{m}.training.{s}" for m in ("decoder", "encoder")
      for s in ("budget=3 steps", "batch_tokens=256", "validations=1", "validation_tokens=256")),
    *(f"models.{m}.architecture.{s}" for m in ("decoder", "encoder") for s in ("width=32", "context=32", "heads=2")),
    "models.decoder.sampling.tokens=5", "tokenizer.size=400", "machine.threads=1", "machine.dtype=float32",
]  # fmt: skip
"""Overrides with which a drafted recipe finishes in seconds."""


@pytest.fixture
def texts(tmp_path):
    """A folder `texts` in English and Chinese, with one exact duplicate."""
    folder = tmp_path / "texts"
    (folder / "中文").mkdir(parents=True)
    for i in range(40):
        (folder / f"{i}.txt").write_text(f"Furnace {i} stands {PLACES[i % 5]}.\n" * 12)
        (folder / "中文" / f"{i}.txt").write_text(f"第{i}座丹炉在山下，炉火烧了{i * 7}天。\n" * 12, "utf-8")
    (folder / "again.txt").write_text((folder / "3.txt").read_text())
    return folder


@pytest.mark.slow
def test_a_folder_of_texts_becomes_a_report_and_the_same_command_resumes(danlu_command, texts, tmp_path):
    code, out, err = danlu_command("run", "texts", *TINY)
    assert (code, out) == (0, "runs/texts/report.html\n"), err
    assert err[0] == "text       texts: 81 files (81 .txt)"
    assert any(line.startswith("documents  80, ") for line in err)
    assert any("Latin" in line and "Han" in line for line in err)
    assert any("1 duplicate" in line for line in err)
    assert "recipe     runs/texts.yaml: written; edit it and run it by its name as you like" in err
    results = json.loads((tmp_path / "runs/texts/results.json").read_text("utf-8"))
    assert results["command"].startswith("danlu run runs/texts.yaml ")
    assert [p["name"] for p in results["pretrain"]] == ["decoder", "encoder"]
    code, _, err = danlu_command("run", "texts", *TINY)
    assert code == 0
    assert "recipe     runs/texts.yaml: unchanged; resuming the run" in err
    assert json.loads((tmp_path / "runs/texts/results.json").read_text("utf-8"))["started"] == results["started"]
    code, out, _ = danlu_command("run", "runs/texts.yaml", *TINY, "--json")
    assert code == 0
    assert json.loads(out)["started"] == results["started"]


@pytest.fixture
def opened(monkeypatch):
    """Runs end once their directory is open; the requests, in order."""
    requests = []

    def run(request, *_):
        RunDirectory(request.path, request.recipe).close()
        requests.append(request)
        return {}

    monkeypatch.setattr("danlu.runs.run.run", run)
    return requests


@pytest.mark.parametrize(
    ("again", "folder", "reason"),
    [
        (["texts/"], "runs/texts", None),
        (["./texts", "--budget", "2min"], "runs/texts-2", "(--budget) was 9min, is 2min"),
        (["texts", "--budget", "40s"], "runs/texts-2", "(--budget) was 9min, is 40s"),
        (["texts", "models.encoder.training.seed=3"], "runs/texts-2", "models.encoder.training.seed was 0, is 3"),
        (["texts", "models.encoder.training.budget=7s"], "runs/texts-2", "encoder.training.budget was '4min', is '7s'"),
        (["runs/texts.yaml"], "runs/texts", None),
        (["runs/texts.yaml", "--budget", "7min"], "runs/texts-2", "(--budget) was 9min, is 7min"),
        (["runs/texts/recipe.yaml"], "runs/texts", None),
    ],
)
def test_trying_again_resumes_or_gets_a_directory_of_its_own(danlu_command, texts, opened, again, folder, reason):
    assert danlu_command("run", "texts")[:2] == (0, "runs/texts/report.html\n")
    before = {path: path.read_bytes() for path in Path("runs").rglob("*.yaml")}
    code, out, err = danlu_command("run", *again)
    assert (code, out) == (0, f"{folder}/report.html\n"), err
    assert {path: path.read_bytes() for path in before} == before
    kept = [line for line in err if "runs/texts is kept as it is" in line]
    assert len(kept) == (reason is not None)
    assert reason is None or reason in kept[0]
    assert danlu_command("run", *again)[1] == f"{folder}/report.html\n"


def test_the_third_setting_gets_the_third_directory(danlu_command, texts, opened):
    for budget in ("1min", "2min", "3min", "2min"):
        assert danlu_command("run", "texts", "--budget", budget)[0] == 0
    assert [str(request.path) for request in opened] == [
        "runs/texts", "runs/texts-2", "runs/texts-3", "runs/texts-2",
    ]  # fmt: skip
    assert sorted(path.name for path in Path("runs").glob("*.yaml")) == ["texts-2.yaml", "texts-3.yaml", "texts.yaml"]


def test_a_shipped_recipe_with_another_setting_gets_a_directory_of_its_own(danlu_command, opened, tmp_path):
    assert danlu_command("run", "smoke")[1] == "runs/smoke/report.html\n"
    assert danlu_command("run", "smoke", "language=zh")[1] == "runs/smoke-2/report.html\n"
    code, out, err = danlu_command("run", "smoke", "language=zh", "--out", "runs/smoke", "--lang", "en")
    assert (code, out) == (2, "")
    assert "the recipe changed since the run in runs/smoke was started: language was 'en', is 'zh'" in err[0]


def test_a_typo_is_told_before_existing_directories_are_looked_at(danlu_command, texts, opened):
    assert danlu_command("run", "texts")[0] == 0
    code, out, err = danlu_command("run", "texts", "--budget", "10s", "models.decoder.traning.seed=1")
    assert (code, out) == (2, "")
    assert err == [
        "danlu: the drafted recipe with overrides: models.decoder.traning: unknown key 'traning'; "
        "did you mean 'training'?"
    ]
    assert not Path("runs/texts-2.yaml").exists()


def test_a_folder_of_other_files_is_left_alone(danlu_command, texts, opened):
    Path("runs/texts").mkdir(parents=True)
    Path("runs/texts/mine.txt").write_text("mine")
    code, out, err = danlu_command("run", "texts")
    assert (code, out) == (0, "runs/texts-2/report.html\n")
    assert any("runs/texts is kept as it is: it is not a run directory and not empty" in line for line in err)
    assert not Path("runs/texts.yaml").exists()


def test_an_explicit_directory_does_not_overwrite_the_recipe(danlu_command, texts, opened, tmp_path):
    assert danlu_command("run", "texts")[0] == 0
    before = (tmp_path / "runs/texts.yaml").read_text("utf-8")
    code, out, err = danlu_command("run", "texts", "--budget", "40s", "--out", "runs/texts")
    assert (code, out) == (2, "")
    assert "runs/texts.yaml exists and differs" in err[-1]
    assert "the time for all trainings (--budget) was 9min, is 40s; run the existing one with: danlu run" in err[-1]
    assert (tmp_path / "runs/texts.yaml").read_text("utf-8") == before


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (["--model", "encoder", "--budget", "3min"], {"encoder": 180}),
        (["--model", "encoder"], {"encoder": 540}),
        (["--model", "encoder", "models.encoder.training.budget=7s"], {"encoder": 7}),
        (["--budget", "3min"], {"decoder": 100, "encoder": 80}),
    ],
)
def test_the_selected_model_of_a_text_gets_the_whole_budget(danlu_command, texts, monkeypatch, given, seconds):
    requests = []
    monkeypatch.setattr("danlu.runs.run.run", lambda request, *_: requests.append(request) or {})
    code, _, err = danlu_command("pretrain", "texts", *given)
    assert code == 0, err
    models = requests[0].recipe.models
    assert {name: model.training.budget.amount for name, model in models.items()} == seconds
    assert sum(line.startswith("model ") or "layer" in line for line in err) == len(seconds), err


def test_a_run_inside_the_text_is_refused(danlu_command, texts):
    code, _, err = danlu_command("run", ".")
    assert (code, len(err)) == (2, 1)
    assert "is inside the text ., so the next run would read it as text" in err[0]


def test_a_shipped_recipe_takes_precedence_and_is_reported(danlu_command, texts, tmp_path):
    texts.rename(tmp_path / "smoke")
    code, _, err = danlu_command("run", "smoke", "tasks={}", "corpus.source=nowhere.txt")
    assert code == 2
    assert err[0] == "recipe     the shipped recipe 'smoke'; for the text with the same name: danlu run ./smoke"


@pytest.mark.parametrize("source", [["texts"], ["--source", "texts"]])
def test_init_without_a_terminal_asks_nothing(danlu_command, texts, tmp_path, source):
    code, out, err = danlu_command("init", *source, "--language", "zh", "--budget", "2min")
    assert (code, out) == (0, "texts.yaml\n")
    assert err[-1] == "recipe     written; run it with: danlu run texts.yaml"
    recipe = load_recipe("texts.yaml")
    assert (recipe.language, recipe.corpus.source) == ("zh", "texts")
    assert sum(m.training.budget.amount for m in recipe.models.values()) == pytest.approx(120)
    assert not (tmp_path / "runs").exists()


def test_init_asks_three_questions_on_a_terminal(danlu_command, texts, monkeypatch):
    answers = iter(["texts", "en", "3min"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: next(answers))
    code, out, _ = danlu_command("init")
    assert (code, out) == (0, "texts.yaml\n")
    recipe = load_recipe("texts.yaml")
    assert recipe.language == "en"
    assert sum(m.training.budget.amount for m in recipe.models.values()) == pytest.approx(180)


def test_init_as_json(danlu_command, texts):
    code, out, _ = danlu_command("init", "texts", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["recipe"] == "texts.yaml"
    assert facts["files"] == {".txt": 81}
    assert facts["resolved"] == load_recipe("texts.yaml").model_dump(mode="json")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["init"], "which text? name it: danlu init FOLDER_OR_FILE"),
        (["init", "nowhere"], "nowhere does not exist"),
        (["init", "texts", "--source", "texts"], "the text is named twice"),
        (["init", "texts", "--budget", "5 steps"], "--budget: '5 steps' is not a time such as 4min"),
        (["init", "texts", "--language", "fr"], "'--language'"),
        (["run", "text"], "no recipe 'text': neither a file nor a shipped recipe; did you mean 'texts'?"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(danlu_command, texts, arguments, expected):
    code, out, err = danlu_command(*arguments)
    assert (code, out) == (2, "")
    assert len(err) == 1
    assert expected in err[0]


def test_a_directory_in_use_by_a_run_with_other_settings_is_kept(danlu_command, texts, opened):
    assert danlu_command("run", "texts")[0] == 0
    directory = RunDirectory(Path("runs/texts"), opened[0].recipe)
    try:
        assert danlu_command("run", "texts", "--budget", "1min")[1] == "runs/texts-2/report.html\n"
        code, _, err = danlu_command("run", "texts")
        assert code == 2
        assert "runs/texts is in use by another run" in err[-1]
    finally:
        directory.close()
