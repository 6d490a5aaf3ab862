"""Draft recipes for texts without one: what is found, what is chosen, and that the YAML says the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.config.drafting import check_run_folder, draft_recipe, is_text, run_name, write_draft
from danlu.config.loading import load_recipe, parse_yaml, to_builtin_types
from danlu.config.prompts import choose_prompts, extract_prompt
from danlu.config.recipe_template import quote
from danlu.errors import WrongInput

ENGLISH = "The furnace number {i} burns for {n} days. " * 8
CHINESE = "第{i}座丹炉烧了{n}天，火候正好。" * 12


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a function that makes a folder of text files in the working directory."""
    monkeypatch.chdir(tmp_path)

    def made(english=0, chinese=0, name="my texts"):
        (tmp_path / name).mkdir()
        for i in range(english):
            (tmp_path / name / f"en{i}.txt").write_text(f"Number {i} begins here. " + ENGLISH.format(i=i, n=i * 7))
        for i in range(chinese):
            (tmp_path / name / f"zh{i}.txt").write_text(f"编号{i}从这里开始了。" + CHINESE.format(i=i, n=i), "utf-8")
        return name

    return made


def test_an_english_folder(folder):
    draft = draft_recipe(folder(english=60))
    assert draft.survey.files == {".txt": 60}
    assert list(draft.survey.scripts) == ["Latin"]
    assert draft.recipe.corpus.source == "my texts"
    assert draft.recipe.language == "en"
    assert draft.recipe.models["decoder"].objective.continues_text
    assert draft.recipe.models["encoder"].objective.name == "masked"
    times = [m.training.budget for m in draft.recipe.models.values()]
    assert sum(b.amount for b in times) == 540
    held_out = list(draft.survey.corpus.texts("validation"))
    prompts = draft.recipe.models["decoder"].prompts
    assert prompts
    assert all(any(t.startswith(p) for t in held_out) for p in prompts)


def test_chinese_gets_a_larger_vocabulary_and_a_chinese_report(folder):
    draft = draft_recipe(folder(chinese=60))
    assert next(iter(draft.survey.scripts)) == "Han"
    assert draft.recipe.language == "zh"
    assert draft.recipe.tokenizer.size == 2 * draft_recipe(folder(english=60, name="en")).recipe.tokenizer.size
    assert all(len(p) == 8 for p in draft.recipe.models["decoder"].prompts)
    assert draft_recipe("my texts", language="en").recipe.language == "en"


def test_the_time_budget_determines_the_model_sizes(folder):
    name = folder(english=60)
    layers = [draft_recipe(name, t).recipe.models["decoder"].architecture.layers for t in ("1min", "2h", "10h")]
    assert layers == sorted(set(layers))
    assert sum(m.training.budget.amount for m in draft_recipe(name, "90s").recipe.models.values()) == pytest.approx(90)


def test_the_drafted_text_loads_as_the_recipe_and_lists_the_findings(folder, tmp_path):
    draft = draft_recipe(folder(english=30, chinese=30))
    (tmp_path / "x.yaml").write_text(draft.text, "utf-8")
    assert load_recipe("x.yaml") == draft.recipe
    for line in draft.survey.lines():
        assert f"#   {line}\n" in draft.text
    assert draft_recipe("my texts") == draft


def test_a_labelled_table_is_reported_and_used_in_the_commented_task(folder, tmp_path):
    name = folder(english=30)
    (tmp_path / name / "reviews.tsv").write_text("text\tLabel\n" + "good\tyes\n" * 40)
    draft = draft_recipe(name)
    assert any("reviews.tsv has a column 'Label'" in line for line in draft.survey.lines())
    lines = draft.text.splitlines()
    start = lines.index("# tasks:")
    task = [line.removeprefix("# ") for line in lines[start : lines.index("", start)]]
    (tmp_path / "with.yaml").write_text(draft.text + "\n".join(task) + "\n", "utf-8")
    rows = load_recipe("with.yaml").tasks["topic"].task.rows
    assert (str(rows.train), rows.label) == (f"{name}/reviews.tsv", "Label")


@given(st.text())
def test_any_characters_are_quoted_on_one_line(text):
    found = quote(text)
    assert len(found.splitlines()) == 1
    if not any(0xD800 <= ord(c) < 0xE000 for c in text):
        assert to_builtin_types(parse_yaml(f"a: {found}", "x"))["a"] == text


def test_a_written_recipe_is_reused_and_never_overwritten(folder, tmp_path):
    name, path = folder(english=60), tmp_path / "runs" / "my texts.yaml"
    assert write_draft(draft_recipe(name), path)
    path.write_text(path.read_text("utf-8") + "# my own remark\n", "utf-8")
    assert not write_draft(draft_recipe(name), path)
    assert path.read_text("utf-8").endswith("# my own remark\n")
    with pytest.raises(WrongInput, match=r"\(--budget\) was 9min, is 1min; run"):
        write_draft(draft_recipe(name, "1min"), path)
    path.write_text(path.read_text("utf-8").replace("heads: 4", "heads: 2"), "utf-8")
    with pytest.raises(WrongInput, match=r"heads was 2, is 4; run the existing one with: danlu run"):
        write_draft(draft_recipe(name), path)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a.txt", "a"),
        ("b/c.d.jsonl.zst", "c.d"),
        ("b/C.TXT", "C"),
        ("builtin:pydocs", "pydocs"),
        ("b/", "b"),
        ("b", "b"),
    ],
)
def test_the_run_is_named_after_its_source(tmp_path, monkeypatch, source, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    assert run_name(source) == name


def test_texts_are_distinguished_from_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "texts", "odd.yaml"):
        (tmp_path / name).mkdir()
    (tmp_path / "a.txt").write_text("")
    assert [n for n in ("demo", "texts", "./demo", "odd.yaml", "a.txt", "none", "builtin:pydocs") if is_text(n)] == [
        "texts", "./demo", "a.txt", "builtin:pydocs",
    ]  # fmt: skip


def test_a_built_in_corpus_is_drafted_without_tables():
    """Regression: it is not a folder, and the search for tables in it was refused once the corpus was built."""
    draft = draft_recipe("builtin:digit_captions")
    assert draft.recipe.corpus.source == "builtin:digit_captions"
    assert draft.survey.tables == []


def test_a_run_inside_its_own_text_is_refused(folder, tmp_path):
    name = folder(english=3)
    with pytest.raises(WrongInput, match="is inside the text"):
        check_run_folder(tmp_path / name / "runs", name)
    check_run_folder(tmp_path / "runs" / name, name)


@pytest.mark.parametrize(
    ("budget", "expected"), [("3 epochs", "is not a time"), ("soon", "is not a budget such as 5min")]
)
def test_a_budget_that_is_not_a_time_is_refused(folder, budget, expected):
    with pytest.raises(WrongInput, match=expected):
        draft_recipe(folder(english=30), budget)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\n\n# The First Chapter of it all\n\nand more of it, and more, and more", ("Latin", "# The First Chapter")),
        ("丹炉是炼丹用的炉子，火在下面。后来又加了一层。", ("Han", "丹炉是炼丹用的炉")),
        ("1234\nThen words that go on and on for a while, as words do", ("Latin", "Then words that go")),
        ("too short", None),
        ("1 2 3 4 5 6 7 8 9 10", None),
        ("x" * 200, None),
        ("", None),
    ],
)
def test_script_and_beginning_of_a_document(text, found):
    assert extract_prompt(text) == found


def test_each_common_script_gets_prompts():
    texts = [f"Document {i} has a beginning and goes on for a while after it" for i in range(5)]
    texts += [f"第{i}篇文章的开头在这里，然后它继续写下去。" for i in range(5)]
    found = choose_prompts(texts, {"Latin": 0.6, "Han": 0.39, "Greek": 0.01}, 4)
    assert [p[0] for p in found] == ["D", "D", "第", "第"]
    assert len(choose_prompts(["The same words as ever, again and again"] * 5, {"Latin": 1.0}, 3)) == 1
