"""The page as readers and browsers see it."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_run_folder import DANGEROUS, metrics, results, write_run

from danlu.durable import write_json
from danlu.report import write_report
from danlu.report.chart_curves import finetune_curves
from danlu.report.training_log import read_metrics

SECTIONS = ["outcome", "bits", "curves", "task", "evaluation", "samples", "example", "data", "exports", "reproduce"]
VOID = {"meta", "br", "link", "img", "input", "hr"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return write_report(run).read_text("utf-8")


class Outline(HTMLParser):
    """The markup facts that the tests check: balance, ids, attributes and the text visible in one language."""

    def __init__(self, page: str, language: str = "en"):
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.ids: list[str] = []
        self.sections: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.unbalanced: list[str] = []
        self.language = language
        self.text = ""
        self.feed(page)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in found.items()]
        self.ids += [found["id"]] if "id" in found else []
        self.sections += [found["id"]] if tag == "section" else []
        hidden = tag in ("style", "script") or (found.get("class") == "w" and found["lang"] != self.language)
        if tag not in VOID:
            self.open.append((tag, hidden))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop()[0] != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if not any(hidden for _, hidden in self.open):
            self.text += data


def test_sections_are_in_order_and_markup_is_balanced(page: str) -> None:
    outline = Outline(page)
    assert outline.sections == SECTIONS
    assert not outline.unbalanced
    assert not outline.open
    assert len(outline.ids) == len(set(outline.ids))


def test_every_reference_has_its_id(page: str) -> None:
    outline = Outline(page)
    wanted = [value for _, name, value in outline.attributes if name == "aria-labelledby"]
    wanted += [value[1:] for _, name, value in outline.attributes if name == "href"]
    wanted += re.findall(r"url\(#([^)]+)\)", page)
    assert wanted
    assert set(wanted) <= set(outline.ids)


def test_numbers_equal_those_of_the_results(page: str) -> None:
    text = Outline(page).text
    for figure in (
        "1.837 [1.791, 1.887]", "1.861", "1.935", "2.410", "4.873", "0.613", "[0.571, 0.652]", "0.451",
        "[0.408, 0.496]",
        "+0.161 [+0.119, +0.204]", "−0.019 [−0.052, +0.015]", "0.602, 0.608, 0.627", "6,817,000", "1,228,800", "4,237",
        "2,104,332", "601,236", "310", "480", "10 min 12 s", "2026-11-23 23:50 UTC", "2.1e-06", "1.0e-04", "86.2",
    ):  # fmt: skip
        assert figure in text, figure


def test_near_duplicates_between_splits_and_dev_row_choices_are_shown(page: str) -> None:
    """Regression: both were only in results.json, where nobody noticed that held-out text was partly known."""
    english, chinese = Outline(page).text, Outline(page, "zh").text
    assert "3 / 24" in english
    assert "chosen on dev rows" in english
    assert "5.0e-04" in english
    assert "近似重复 / 已比较" in chinese


def test_all_metrics_and_details_of_a_task_are_shown(page: str) -> None:
    """Regression: the confusion matrix and the metrics other than the headline were only in results.json."""
    english, chinese = Outline(page).text, Outline(page, "zh").text
    for shown in ("macro F1", "0.599", "0.428", "precision", "0.739", "word_counts", "longest", "<b>", "4,321"):
        assert shown in english, shown
    assert "各类别的精确率、召回率与 F1" in chinese


def test_the_outcome_is_stated_in_both_languages(page: str) -> None:
    english, chinese = Outline(page).text, Outline(page, "zh").text
    assert "below the 5-gram (1.861, which lies within the interval) and primed zstd (1.935)" in english
    assert "pre-training helped (+0.161 [+0.119, +0.204]); no clear difference from TF-IDF" in english
    assert "预训练有帮助（+0.161 [+0.119, +0.204]）；与 TF-IDF 无显著差异" in chinese
    assert "任务与基线" in chinese
    assert "任务与基线" not in english


def test_text_of_the_run_never_becomes_markup(page: str) -> None:
    assert "<script>alert" not in page
    assert html.escape("<script>alert('x')</script> & more").replace("&#x27;", "&#39;") in page
    assert page.count("<script>") == 1
    assert "<b>the</b>" not in page
    assert "\x1b" not in page
    shown = html.unescape(page)
    assert DANGEROUS.replace("\x1b", "⟨1B⟩") in shown, "white space is kept, control characters are made visible"


def test_the_page_is_self_contained(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|@font-face", page)
    outside = [(tag, name, value) for tag, name, value in Outline(page).attributes if name in ("src", "srcset", "data")]
    assert not outside
    assert all(target.startswith("#") for target in re.findall(r"(?:href=\"|url\()([^\")]+)", page))
    assert len(page.encode()) < 1_500_000


def test_plot_colours_are_css_variables(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) == 10, "two widths of bars and of dots, five panels, a picture"
    for drawing in drawings:
        assert not re.search(r"#[0-9a-f]{6}\b", drawing)
        assert not re.search(r"@\d+@", drawing)
        assert "var(--" in drawing
        assert 'role="img"' in drawing


def test_equal_input_gives_equal_bytes(run: Path, page: str) -> None:
    """Also in another process, where string hashes differ."""
    code = f"from pathlib import Path; from danlu.report import write_report; write_report(Path({str(run)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert (run / "report.html").read_text("utf-8") == page


def test_the_requested_language_is_set(run: Path, page: str) -> None:
    chinese = write_report(run, "zh").read_text("utf-8")
    assert chinese.replace('<html lang="zh">', '<html lang="en">') == page


def test_best_step_and_curves_are_drawn(page: str) -> None:
    text = Outline(page).text
    assert "best, step 280" in text
    assert "unigram 4.87" in text
    assert "zstd 2.41" in text


def test_objective_metrics_are_shown(page: str) -> None:
    text = Outline(page).text
    for line in (
        "retrieval 0.417 [0.390, 0.440]",
        "uniformity (lower is more uniform) −2.250 –",
        "the cat",
        "follows = 1",
        "a seven",
    ):
        assert line in text, line
    assert page.count("<rect") >= 3


def test_a_run_without_objective_metrics_has_no_such_section(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    found = results()
    del found["pretrain"][1]["judged"]
    write_json(folder / "results.json", found)
    shown = write_report(folder).read_text("utf-8")
    assert "evaluation" not in Outline(shown).sections
    assert 'href="#evaluation"' not in shown


def test_a_fine_tuning_has_only_the_sections_it_has_content_for(tmp_path: Path) -> None:
    """Regression: six empty sections were linked from the menu, one of them "no training log" despite a full log."""
    nothing = {"pretrain": [], "exports": [], "corpus": None, "tokenizer": None}
    shown = Outline(write_report(write_run(tmp_path, nothing)).read_text("utf-8"))
    assert shown.sections == ["outcome", "task", "reproduce"]
    menu = [value for tag, name, value in shown.attributes if tag == "a" and name == "href"]
    assert menu == ["#outcome", "#task", "#reproduce"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "demo"),
        ({"recipe": "/home/me/recipes/mine.yaml"}, "mine"),
        ({"recipe": "fine-tuning of /home/me/encoder", "pretrain": []}, "encoder-labels"),
    ],
)
def test_the_title_is_a_name_without_a_path(tmp_path: Path, changes: dict, name: str) -> None:
    page = write_report(write_run(tmp_path / "encoder-labels", changes)).read_text("utf-8")
    assert f"<title>{name} – danlu</title>" in page
    assert f"<h1>{name}</h1>" in page


def test_curves_of_every_seed_of_a_fine_tuning_are_drawn(run: Path, page: str, tmp_path: Path) -> None:
    """Regression: the names of the records that runs write were not recognised; learning-rate trials are left out."""
    text = Outline(page).text
    assert "library_part: fine-tuning loss" in text
    assert "library_part: accuracy on the dev rows" in text
    arms = [
        curves
        for kind, value in (("train", "loss"), ("validation", "accuracy"))
        for curves in [finetune_curves(read_metrics(run / "metrics.jsonl"), "library_part", kind, value)]
    ]
    assert [len(curves) for curves in arms] == [6, 6]
    trial = {"stage": "finetune/library_part/ours-rate-0.001", "kind": "train", "step": 1, "loss": 9.9}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(trial) + "\n", "utf-8")
    assert not finetune_curves(read_metrics(tmp_path / "metrics.jsonl"), "library_part", "train", "loss")


def test_wrong_predictions_are_shown_as_text(page: str) -> None:
    english, chinese = Outline(page).text, Outline(page, "zh").text
    assert "Open a <b>socket</b> & read internet text 0.871" in english
    assert "Wait for the queue asyncio concurrency –" in english
    assert "<b>socket" not in page
    assert "预测错误的样本" in chinese


def test_samples_during_training_are_shown(page: str) -> None:
    text = Outline(page).text
    assert all(f"is the the of {record['step']}" in text for record in metrics() if record["kind"] == "sample")


def test_hidden_tokens_are_shown_below_their_mask(page: str) -> None:
    assert '<span class="token labelled"><span>[MASK]</span><span class="target">·an</span></span>' in page
    assert "⟨E4⟩⟨B8⟩" in page
    assert "<span>炉</span>" in page


def test_table_headers_have_a_scope(page: str) -> None:
    heads = re.findall(r"<th\b[^>]*>", page)
    assert heads
    assert all("scope=" in head for head in heads)


def test_the_synthetic_results_follow_the_schema() -> None:
    assert set(results()) >= {"schema", "pretrain", "tasks", "exports"}


@pytest.mark.parametrize("read", [True, False, None])
def test_task_texts_read_in_pretraining_are_disclosed(tmp_path: Path, read: bool | None) -> None:
    folder = write_run(tmp_path)
    found = results()
    found["tasks"][0]["texts_read_in_pretraining"] = read
    write_json(folder / "results.json", found)
    text = Outline(write_report(folder).read_text("utf-8")).text
    assert ("pre-training has seen them without their labels" in text) == (read is True)
