"""`danlu corpus`, `danlu tokenizer`, `danlu doctor`, `danlu recipes --json`."""

from __future__ import annotations

import json

import pytest
import torch

from danlu.api import doctor
from danlu.commands.tables import print_table
from danlu.config.loading import load_recipe, shipped_recipes
from danlu.extras import install_command
from danlu.text.corpus import CorpusSettings, build_corpus


@pytest.fixture
def texts(tmp_path):
    """40 documents, one of them twice, and a line that is not JSON."""
    folder = tmp_path / "texts"
    folder.mkdir()
    lines = [json.dumps({"text": f"Furnace {i} burns. 第{i}座丹炉。" * 5}) for i in range(40)]
    (folder / "a.jsonl").write_text("\n".join([*lines, lines[3], "{broken"]) + "\n")
    return folder


def one_line(result):
    code, out, err = result
    assert (code, out, len(err)) == (2, "", 1)
    return err[0]


def test_corpus_check_counts_everything(danlu_command, texts):
    code, out, _err = danlu_command("corpus", "check", "texts", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["documents"] == {"in": 42, "kept": 40, "rejected": {"duplicate": 1, "broken JSON": 1}}
    assert set(facts["scripts"]) == {"Latin", "Han"}
    code, out, _ = danlu_command("corpus", "check", "texts")
    assert code == 0
    assert "42 read, 40 kept; layout jsonl" in out
    assert "texts/a.jsonl:42: broken JSON" in out
    assert facts["words"]["documents"] == 40
    found = facts["near_duplicates"]["found"]
    rows = [line.split() for line in out.splitlines() if line.startswith("test ")]
    assert rows[1][2] == str(found["test"]["documents"])
    assert [line.split()[0] for line in out.splitlines() if line.startswith(("english", "chinese"))] == [
        "english",
        "chinese",
    ]


def test_corpus_build_writes_what_a_recipe_would_read(danlu_command, texts, tmp_path):
    code, out, _ = danlu_command("corpus", "build", "texts", "--out", "built", "--set", "test=0.2", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["folder"] == "built"
    corpus = build_corpus(CorpusSettings(source="texts", validation=0.04, test=0.2, min_characters=1))
    assert facts["splits"] == corpus.facts["splits"]
    for split in facts["splits"]:
        written = (tmp_path / "built" / f"{split}.jsonl.zst").read_bytes()
        assert written == (corpus.folder / f"{split}.jsonl.zst").read_bytes()
    assert danlu_command("corpus", "build", "texts", "--out", "built")[0] == 0
    assert "was not written by danlu" in one_line(danlu_command("corpus", "build", "texts", "--out", "texts"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["corpus", "check"], "Missing argument 'SOURCE...'"),
        (["corpus", "check", "text"], "text does not exist; did you mean texts?"),
        (["corpus", "check", "texts", "--set", "docments=line"], "docments: unknown key 'docments'; did you mean"),
        (["corpus", "check", "texts", "--set", "documents"], "'documents' is not key.path=value"),
        (["corpus", "check", "texts", "--set", "test=2"], "test: must be less than 0.5, not 2"),
        (["corpus", "build", "texts"], "Missing option '--out'"),
        (["corpus", "chek"], "No such command 'chek'"),
        (["tokenizer", "train", "texts", "--out", "t", "--kind", "byte_bp"], "did you mean 'byte_bpe'?"),
        (["tokenizer", "train", "texts", "--out", "t", "--size", "3"], "tokenizer: size: must be greater than"),
        (["tokenizer", "train", "texts", "--out", "texts"], "texts exists and was not written by danlu"),
        (["tokenizer", "report", "texts", "texts"], "texts has no tokenizer.json"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(danlu_command, texts, arguments, expected):
    assert expected in one_line(danlu_command(*arguments))


def test_a_tokenizer_is_trained_saved_and_reported(danlu_command, texts):
    code, out, _ = danlu_command("tokenizer", "train", "texts", "--size", 300, "--out", "tok", "--json")
    assert code == 0
    learnt = json.loads(out)
    assert learnt["size"] == 300
    code, out, _ = danlu_command("tokenizer", "train", "texts", "--sample", 999, "--out", "small", "--json")
    assert (code, json.loads(out)["sample_bytes"] <= 999 < learnt["sample_bytes"]) == (0, True)
    code, out, _ = danlu_command("tokenizer", "report", "tok", "texts", "--json")
    assert code == 0
    assert json.loads(out) == {k: v for k, v in learnt.items() if k != "folder"}
    code, out, _ = danlu_command("tokenizer", "report", "tok", "texts")
    assert code == 0
    assert "byte_bpe" in out
    assert "|" in out.splitlines()[-1]
    heads = [line.split()[:3] for line in out.splitlines()]
    assert {"Latin", "Han", "digits"} <= {head[0] for head in heads if head}
    assert ["by", "script", "tokens"] in heads
    assert ["frequent", "token", "times"] in heads
    code, again, _ = danlu_command("tokenizer", "report", "tok/tokenizer.json", "texts")
    assert (code, again) == (0, out)
    assert "tik does not exist; name a tokenizer.json, a .model" in one_line(
        danlu_command("tokenizer", "report", "tik", "texts")
    )


def test_recipes_as_json(danlu_command):
    code, out, _ = danlu_command("recipes", "--json")
    assert code == 0
    assert [r["name"] for r in json.loads(out)] == shipped_recipes()
    code, out, _ = danlu_command("recipes", "smoke", "--json")
    assert (code, json.loads(out)) == (0, load_recipe("smoke").model_dump(mode="json"))


def test_doctor_lists_its_findings(danlu_command):
    code, out, _err = danlu_command("doctor", "--json")
    facts = json.loads(out)
    missing = [f for f in facts["findings"] if f["state"] == "missing"]
    assert (code, facts["demo"]) == ((3, False) if missing else (0, True))
    assert {"Python", "torch", "devices", "default dtype", "threads", "cache"} <= {f["name"] for f in facts["findings"]}
    assert all(f["fix"] for f in facts["findings"] if f["state"] != "ok")
    code_again, out, _ = danlu_command("doctor")
    assert code_again == code
    assert "Python" in out


def test_doctor_names_the_command_for_a_missing_extra(danlu_command, monkeypatch):
    lines = ["click>=8", "scikit-learn>=1.6; extra == 'eval'", "no-such-thing[x]>=1,<2; extra == 'eval'",
             'nor-this ~=2 ; python_version < "4" and extra == "zh"', "danlu[eval]; extra == 'demo'"]  # fmt: skip
    monkeypatch.setattr("danlu.api.doctor.metadata.requires", lambda name: lines)
    code, out, _ = danlu_command("doctor", "--json")
    assert code == 3
    found = {f["name"]: f for f in json.loads(out)["findings"]}
    assert found["extra eval"] == {
        "name": "extra eval", "value": "not installed: no-such-thing", "state": "missing",
        "fix": install_command("eval")
    }  # fmt: skip
    assert (found["extra zh"]["state"], found["extra zh"]["value"]) == ("optional", "not installed: nor-this")
    assert "extra demo" not in found


KERNELS = {
    "a GPU with both kernels": ("cuda", True, True, "ok", "varlen for causal and full orders, flex for all others"),
    "an old GPU": ("cuda", False, True, "optional", "an Ampere GPU or later"),
    "a GPU without triton": ("cuda", True, False, "optional", "pip install triton"),
    "a CPU": ("cpu", False, False, "ok", "varlen and flex need CUDA"),
}


@pytest.mark.parametrize(("device", "varlen", "flex", "state", "advice"), KERNELS.values(), ids=KERNELS)
def test_doctor_reports_the_attention_kernels(monkeypatch, device, varlen, flex, state, advice):
    monkeypatch.setattr("danlu.architectures.transformer.varlen.available", lambda device: varlen)
    monkeypatch.setattr("danlu.architectures.transformer.flex.available", lambda device: flex)
    found = doctor.check_attention(torch.device(device))
    assert found.state == state
    assert advice in f"{found.value} {found.fix}"


def test_doctor_reports_a_gpu_that_torch_cannot_use(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (devices,) = [f for f in doctor.check_hardware() if f.name == "devices"]
    assert (devices.state, devices.fix) == ("optional", "pip install --force-reinstall torch")


def test_doctor_reports_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "file"))
    monkeypatch.chdir(tmp_path)
    (cache,) = [f for f in doctor.check_folders() if f.name == "cache"]
    assert (cache.state, "DANLU_CACHE" in cache.fix) == ("missing", True)


def test_a_plain_table_aligns_wide_characters(capsys):
    print_table(["name", "n"], [["丹炉", 12], ["a", 1234], ["", 5]])
    assert capsys.readouterr().out.splitlines() == ["name      n", "丹炉     12", "a     1,234", "          5"]
