"""What is read of an own text, and what is not, is on the console, in the recipe, in the results and in the report."""

from __future__ import annotations

import json

import pytest
from test_own_text import TINY

from danlu.config.loading import load_recipe

TEXT = "The furnace turns raw text into a small language model, number {i}, and nobody hurries it."
CHINESE = "丹炉把原始文本炼成语言模型，第{i}炉的火候要慢慢来，急不得。"


@pytest.fixture
def mixed(tmp_path):
    """A folder `mixed` whose files hold their text in different fields, with two files that are not read."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    lines = [json.dumps({"page": i, "body": TEXT.format(i=i)}) for i in range(120)]
    (folder / "man.jsonl").write_text("\n".join(lines))
    rows = [f"{i},{CHINESE.format(i=i)}" for i in range(60)]
    (folder / "zh.csv").write_text("\n".join(["编号,正文", *rows]), "utf-8")
    (folder / "old.odt").write_bytes(b"PK" + bytes(30_000))
    (folder / "picture.png").write_bytes(b"\x89PNG" + bytes(90))
    return folder


WARNING = (
    "% of the readable bytes, 30 kB in mixed/old.odt, is not read: a format that danlu does not read; "
    "convert it with: libreoffice --headless --convert-to docx mixed/old.odt"
)


def test_the_first_look_names_fields_and_unread_files(danlu_command, mixed, tmp_path):
    code, _, err = danlu_command("init", "mixed")
    assert code == 0
    assert "field      mixed/man.jsonl: the text is in 'body'" in err
    assert "field      mixed/zh.csv: the text is in '正文'" in err
    assert "not read   94 bytes in mixed/picture.png: not text" in err
    assert any(line.startswith("read       2 of 4 files, ") for line in err)
    [warning] = [line for line in err if line.startswith("WARNING")]
    assert warning.endswith(WARNING)
    assert f"#   {warning}" in (tmp_path / "mixed.yaml").read_text("utf-8")
    code, _, err = danlu_command("--lang", "zh", "init", "mixed", "--out", "zh.yaml")
    [warning] = [line for line in err if line.startswith("警告")]
    command = "libreoffice --headless --convert-to docx mixed/old.odt"
    assert warning.endswith(f"（mixed/old.odt，30 kB）未读入：danlu 不支持的格式；转换命令：{command}")


def test_a_field_on_the_command_line_holds_for_the_look_and_the_recipe(danlu_command, mixed):
    options = ["text_field=正文", "documents=line"]
    code, out, err = danlu_command("init", "mixed", *(w for o in options for w in ("--set", o)), "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["corpus"]["documents"]["kept"] == 60
    assert facts["bytes"] == sum(len(CHINESE.format(i=i).encode()) for i in range(60))
    assert load_recipe("mixed.yaml").corpus.text_field == "正文"
    assert load_recipe("mixed.yaml").corpus.documents == "line"
    assert any(line.startswith("WARNING") and "no field '正文'" in line for line in err)


@pytest.mark.slow
def test_the_run_obeys_the_command_line_too(danlu_command, mixed, tmp_path):
    (mixed / "old.odt").unlink()
    code, _, err = danlu_command("run", "mixed", "corpus.text_field=正文", "language=en", *TINY)
    assert code == 0, err
    assert load_recipe("runs/mixed.yaml").corpus.text_field == "正文"
    assert any(line.startswith("documents  60, ") for line in err)
    results = json.loads((tmp_path / "runs/mixed/results.json").read_text("utf-8"))
    assert results["corpus"]["documents"]["kept"] == 60
    lost = results["corpus"]["account"]["not_read"][0]
    assert (lost["example"], lost["fields"]) == ("mixed/man.jsonl", ["page", "body"])
    assert any(line.startswith("files      1 of 3 read, ") for line in err)
    page = (tmp_path / "runs/mixed/report.html").read_text("utf-8")
    assert 'class="warning"' in page
    assert "<code>corpus.text_field=auto</code>" in page
    assert "没有字段或列 '正文'" in page.replace("&#39;", "'")
    code, _, err = danlu_command("run", "mixed", *TINY)
    assert code == 0, err
    assert any("corpus.text_field was '正文', is 'auto'" in line for line in err)
    assert (tmp_path / "runs/mixed-2/results.json").is_file()


def test_a_wrong_setting_of_the_corpus_is_refused_in_one_line(danlu_command, mixed):
    for arguments in (["init", "mixed", "--set", "textfield=a"], ["run", "mixed", "corpus.textfield=a"]):
        code, _, err = danlu_command(*arguments)
        assert (code, len(err)) == (2, 1)
        assert "did you mean 'text_field'?" in err[0]


def test_evaluate_finds_the_field(mixed):
    from danlu.api.evaluate import read_texts

    assert len(read_texts(mixed, "auto", "auto").documents) == 180
