"""With a tokenizer that does not reproduce the text there are no bits per byte, since lost text costs no bits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.api.compare import compare
from danlu.commands.evaluate import print_evaluation
from danlu.durable import write_json
from danlu.report.page import write_report

WHOLE = "models.small.training.validation_tokens=100000"
LOSSY = [WHOLE, "tokenizer={name: word, size: 300}"]


def validations(folder):
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [record for record in records if record["kind"] == "validation"]


@pytest.fixture(scope="module")
def lossy(tmp_path_factory):
    """(folder, results, printed lines) of a run with a word tokenizer."""
    folder, printed = tmp_path_factory.mktemp("lossy"), []
    results = danlu.run(write_tiny_recipe(folder), LOSSY, out=folder / "run", say=printed.append)
    return folder, results, printed


def test_a_run_reports_nats_per_token_and_why_there_are_no_bits_per_byte(lossy):
    folder, results, printed = lossy
    (entry,) = results["pretrain"]
    assert entry["text_lost"] is True
    assert entry["bits_per_byte"] is None
    assert entry["baselines"] is None
    assert 0 < entry["loss"] < 10
    assert not any("bits_per_byte" in record for record in validations(folder / "run"))
    (line,) = [line for line in printed if "bits per byte" in line]
    assert f"{entry['loss']:.3f} nats per token on test documents" in line
    assert "no bits per byte: the tokens do not decode to the text" in line
    page = (folder / "run" / "report.html").read_text("utf-8")
    for words in ("does not reproduce every held-out text", "不能无损还原全部留出文本"):
        assert words in page


def test_the_summary_of_a_sufficient_run_says_why_there_are_no_bits_per_byte(lossy, tmp_path):
    _, results, _ = lossy
    (entry,) = results["pretrain"]
    write_json(tmp_path / "results.json", results | {"pretrain": [entry | {"sufficiency": None}]})
    page = write_report(tmp_path).read_text("utf-8")
    assert "分词器不能无损还原全部文本，因此没有每字节比特数" in page


def test_with_a_lossless_tokenizer_every_validation_has_bits_per_byte(tmp_path):
    results = danlu.run(write_tiny_recipe(tmp_path), [WHOLE], out=tmp_path / "run")
    assert results["pretrain"][0]["text_lost"] is False
    assert results["pretrain"][0]["bits_per_byte"] > 0
    assert all(record["bits_per_byte"] > 0 for record in validations(tmp_path / "run"))


def test_a_saved_model_is_evaluated_in_nats(lossy, capsys):
    folder, *_ = lossy
    found = danlu.evaluate(folder / "run/model/small", folder / "text.txt", documents="line")
    assert found["bits_per_byte"] is None
    assert 0 < found["loss"] < 10
    print_evaluation(found)
    shown = capsys.readouterr().out
    assert "nats per token" in shown
    assert "no bits per byte: the tokens do not decode to the text" in shown


@pytest.mark.slow
def test_a_comparison_without_bits_per_byte_has_a_page(tmp_path):
    path = Path(write_tiny_recipe(tmp_path))
    path.with_name("other.yaml").write_text(path.read_text("utf-8"), "utf-8")
    made = compare([str(path), str(path.with_name("other.yaml"))], "300 tokens", 1, None, LOSSY, tmp_path / "run")
    assert [model["bits_per_byte"] for model in made["models"]] == [None, None]
    assert made["baselines"] is None
    page = (tmp_path / "run" / "comparison.html").read_text("utf-8")
    assert "No bits per byte for tiny, other: the tokenizer does not reproduce every held-out text" in page
