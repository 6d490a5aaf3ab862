"""What the commands print in Chinese: no English heads of columns, JSON as in English."""

from __future__ import annotations

import json
import re
import string

import pytest
from tiny_recipe import write_tiny_recipe

from danlu.commands.compare import print_comparison
from danlu.commands.evaluate import print_evaluation
from danlu.commands.tables import print_table
from danlu.config.corpus_survey import survey_corpus
from danlu.config.wording import LAYOUT_NAMES, LINES
from danlu.console.columns import width
from danlu.console.draft_text import wording
from danlu.console.language import catalogue, choose, message, translated, using
from danlu.objective import ATTENTION_ORDERS

HAN = re.compile(r"[\u4e00-\u9fff]")
TEMPLATES = ("size", "unit", "reason", "rows", "error", "matrix_reason", "taken")
"""Tables of texts that arrive in English."""


@pytest.fixture(autouse=True)
def nothing_chosen():
    choose()
    yield
    choose()


def english_heads():
    """Return the heads of columns that are not the same in Chinese."""
    english, chinese = catalogue("en")["columns"], catalogue("zh")["columns"]
    assert all(english[key] != chinese[key] and HAN.search(chinese[key]) for key in english if key != "task")
    return {english[key] for key in english if key != "task"}


def heads_of(out):
    """Return the cells of every line that could be the heads of a table."""
    return {cell.strip() for line in out.splitlines() for cell in re.split(r" {2,}", line)}


def fields(text):
    return sorted((name, form) for _, name, form, _ in string.Formatter().parse(text) if name is not None)


def test_show(danlu_command, tmp_path):
    tiny = write_tiny_recipe(tmp_path)
    code, out, err = danlu_command("show", tiny, "--lang", "zh")
    assert code == 0, err
    assert not heads_of(out) & english_heads()
    printed = out[out.index("small：transformer 架构，训练目标 causal") :]
    for text in ("模块", "参数量", "可训练", "合计", "每词元", "内存", "训练步", "激活值", "未测量", "输入", "目标"):
        assert text in printed, text
    assert not re.search(r"(?:\b[a-z]+ ){3}[a-z]+", printed.partition("\n样本")[0])
    assert all(HAN.search(line) for line in err)


def test_the_language_of_the_recipe(danlu_command, tmp_path):
    tiny = write_tiny_recipe(tmp_path)
    assert "small: causal on transformer" in danlu_command("show", tiny)[1]
    assert "small：transformer 架构" in danlu_command("show", tiny, "language=zh")[1]
    assert "small: causal on transformer" in danlu_command("--lang", "en", "show", tiny, "language=zh")[1]


SCORE = {"mean": 0.5, "low": 0.4, "high": 0.6}


def test_a_comparison(capsys):
    model = {
        "name": "a",
        "parameters": 10,
        "tokens": 1.0,
        "bits_per_byte": SCORE,
        "task": SCORE,
        "random_weights": None,
    }
    task = {"name": "topic", "metric": "accuracy", "controls": {"majority": SCORE, "tfidf": None}}
    made = {"models": [model], "task": task, "baselines": {"unigram": 4.5, "ngram5": 2.0}}
    with using("zh"):
        print_comparison(made)
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == [
        "模型", "参数量", "词元数", "每字节比特数", "topic（准确率）", "随机权重",
    ]  # fmt: skip
    assert not heads_of(out) & english_heads()
    assert "不用神经网络的每字节比特数：一元语法 4.500、5-gram 2.000" in out
    assert "没有预训练的对照：多数类 0.500 [0.400, 0.600]、TF-IDF –" in out
    print_comparison(made)
    assert capsys.readouterr().out.startswith("model  parameters  tokens  bits per byte         topic, accuracy")


def test_an_evaluation(capsys):
    facts = {
        "objective": "causal",
        "bits_per_byte": 2.0,
        "bits_per_byte_interval": [1.9, 2.1],
        "baselines": {"zstd": 3.0},
    }
    with using("zh"):
        print_evaluation(facts | {"differences": {"ngram5": SCORE}, "documents_also_in_train": 3})
        print_evaluation({"objective": "causal", "text_lost": True, "loss": 2.0, "perplexity": 7.4})
        print_evaluation({"objective": "masked", "pseudo_loss": 2.0, "pseudo_loss_interval": None})
    out = capsys.readouterr().out
    assert not heads_of(out) & english_heads()
    assert all(text in out for text in ("区间下限", "5-gram", "3 篇文档", "困惑度", "每词元奈特数"))
    assert not re.search(r"(?:\b[a-z]+ ){2}[a-z]+", out)


def test_a_corpus_and_a_tokenizer(danlu_command, tmp_path):
    lines = [json.dumps({"text": f"第 {i} 炉丹药，火候 {i * 7} 分。"}, ensure_ascii=False) for i in range(200)]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, lines[0], "broken", '{"tex": 1}']), "utf-8")
    code, out, err = danlu_command("corpus", "check", "a.jsonl", "--lang", "zh")
    assert code == 0
    assert not heads_of(out) & english_heads()
    for text in (
        "训练集",
        "读入 203 篇文档，保留 200 篇",
        "完全重复",
        "JSON 格式错误",
        "没有字段 'text'",
        "汉字",
        "是否应为 'tex'？",
    ):
        assert text in out, text
    assert len(err) == 2
    assert all(line.startswith("剔除了 203 篇文档中的 1 篇，例如 a.jsonl:") for line in err)
    assert (
        danlu_command("corpus", "check", "a.jsonl", "--json", "--lang", "zh")[1]
        == (danlu_command("corpus", "check", "a.jsonl", "--json")[1])
    )
    code, out, _ = danlu_command("tokenizer", "train", "a.jsonl", "--size", "300", "--out", "tok", "--lang", "zh")
    assert code == 0
    assert all(HAN.match(line) for line in out.split("\n\n")[0].splitlines())
    assert all(HAN.match(table) for table in out.split("\n\n")[1:4])
    assert "by script" not in out


def test_a_draft(danlu_command, tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text(
        "\n\n".join(f"第 {i} 炉丹药，火候 {i * 7} 分。" for i in range(300)), "utf-8"
    )
    (tmp_path / "texts" / "b.csv").write_text("text,label\n" + "\n".join(f"a {i},b" for i in range(40)), "utf-8")
    code, _, err = danlu_command("init", "texts", "--lang", "zh")
    assert code == 0
    words = ["文本", "文档", "文字种类", "正文", "标签", "分词器", "decoder", "encoder", "配方"]
    assert [line.split()[0] for line in err] == words
    assert {width(re.match(r"\S+ +", line).group()) for line in err} == {11}
    assert all(HAN.search(line.removeprefix(word)) for line, word in zip(err, words, strict=True))
    english = danlu_command("init", "texts")[2]
    assert english[:5] == survey_corpus("texts").lines()
    assert not any(HAN.search(line) for line in english)


def test_the_chinese_lines_of_a_draft_are_those_of_the_english():
    chinese = catalogue("zh", "draft")
    assert {key: fields(text) for key, text in chinese.items()} == {key: fields(text) for key, text in LINES.items()}
    assert set(LAYOUT_NAMES) <= set(catalogue("zh")["layout"])
    with using("zh"):
        assert wording().line("files", n=2) == "2 个文件"
    assert wording().line("files", n=2) == "2 files"


def test_the_machine(danlu_command, monkeypatch):
    monkeypatch.setattr("danlu.training.precision.product_seconds", lambda dtype: 1.0)
    out = danlu_command("doctor", "--lang", "zh")[1]
    assert not heads_of(out) & english_heads()
    assert all(text in out for text in ("编译器", "选用设备", "注意力", "线程", "缓存", "演示"))
    assert not re.search(r"(?:\b[a-z]+ ){3}[a-z]+\b", out)
    found = [json.loads(danlu_command("doctor", "--json", "--lang", name)[1])["findings"] for name in ("en", "zh")]
    assert [f["name"] for f in found[0]] == [f["name"] for f in found[1]]
    assert not any(HAN.search(f["value"] + f["fix"]) for f in found[1])


def test_the_matrix(danlu_command):
    out = danlu_command("matrix", "--lang", "zh")[1]
    assert "训练目标" in out
    assert "支持的架构" in out
    flat = re.sub(r"[│\s]+", " ", out)
    assert "(reach full)" in flat
    assert flat.count("不支持：") == sum(not p["allowed"] for p in json.loads(danlu_command("matrix", "--json")[1]))
    for word in (" needs ", " with ", " offers ", " has none", " and "):
        assert word not in flat, word
    assert all(name in flat for name in ATTENTION_ORDERS)


@pytest.mark.parametrize("table", TEMPLATES)
def test_no_template_hides_another(table):
    """Each English text is found by its own template, not by one before it, and the Chinese one says the same."""
    for key, template in catalogue("en")[table].items():
        values = {name: f"«{name}»" for _, name, _, _ in string.Formatter().parse(template) if name}
        with using("zh"):
            assert translated(table, template.format(**values)) == message(f"{table}.{key}", **values), key
        assert translated(table, template.format(**values)) == template.format(**values)


def test_unknown_texts_stay():
    with using("zh"):
        assert translated("reason", "as yet unheard of") == "as yet unheard of"
        assert translated("reason", "a.txt:3: not UTF-8 (byte 7)") == "a.txt:3：不是有效的 UTF-8（byte 7）"


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["show"], "缺少参数 <配方>。"),
        (["corpus", "check"], "缺少参数 <来源>...。"),
        (["export", "x"], "缺少选项 --to。"),
        (["sho"], "没有命令 sho；是否要用 'show'？"),
        (["corpus", "foo"], "没有命令 foo。"),
        (["cluster", "x", "y", "--k", "0"], "--k 的值无效：0 不在范围 x>=1 内。"),
        (["cluster", "x", "y", "--k", "many"], "--k 的值无效：'many' 不是整数。"),
        (["init", "--language", "fr"], "--language 的值无效：'fr' 不在可选值之中：'auto', 'en', 'zh'。"),
        (["demo", "--out"], "选项 --out 缺少值。"),
        (["schema", "extra"], "多余的参数：extra"),
        (["embed", "m", "none.txt"], "<文件> 的值无效：'none.txt'：没有这个文件或文件夹"),
        (["compare", "smoke"], "请用 --tokens、--time、--flops 之一（且只用一个）给出每次训练的预算"),
        (["finetune", "m", "--train", "t"], "没有指定测试样本；请给出 --test <文件> 或 --split 0.2"),
        (["show", "smok"], "没有配方 'smok'：既不是文件，也不是自带的配方；是否要用 'smoke'？"),
        (
            ["show", "smoke", "machine.thread=1"],
            "smoke.yaml（含命令行修改）：machine.thread：未知的键 'thread'；是否要用 'threads'？",
        ),
        (["show", "smoke", "x"], "'x' 不是 键.路径=值 的形式"),
        (
            ["show", "smoke", "models.decoder.objective=causl"],
            "smoke.yaml（含命令行修改）：models.decoder.objective：没有名为 'causl' 的 objective；是否要用 'causal'？",
        ),
        (
            ["show", "smoke", "machine.threads=many"],
            "smoke.yaml（含命令行修改）：machine.threads：应为整数，不能是 'many'",
        ),
        (
            ["run", "smoke", "--budget", "soon"],
            "--budget：'soon' 不是预算；预算可写作 5min、90s、2M tokens、3 epochs、400 steps 或 5T flops",
        ),
        (["matrix", "--jsn"], "没有选项 --jsn；是否要用 '--json'？"),
        (["fill", "nowhere", "x"], "nowhere 不是文件夹；请给出已保存模型的文件夹"),
    ],
)  # fmt: skip
def test_errors(danlu_command, arguments, printed):
    code, out, err = danlu_command("--lang", "zh", *arguments)
    assert (code, out, err) == (2, "", [f"danlu: {printed}"])


class Terminal:
    """A terminal in place of stdout."""

    def __init__(self):
        self.written = ""

    def write(self, text):
        self.written += text

    def flush(self):
        pass

    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_fit_into_a_terminal(monkeypatch, columns):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    text = "普通矩阵乘法与 torch 融合内核；varlen 和 flex 仅用于 CUDA"
    print_table(["名称", "说明", "数目"], [["注意力", text * 2, 1234], ["b", "短", 5]])
    lines = re.sub(r"\x1b\[\d*m", "", terminal.written).splitlines()
    assert max(map(width, lines)) <= columns
    assert [line[0] for line in (lines[0], lines[1], lines[-1])] == ["名", "注", "b"]
    assert {width(line) for line in (lines[0], lines[1], lines[-1])} == {min(columns, max(map(width, lines)))}
    cells = [line.removeprefix("注意力").removesuffix("1,234").split() for line in lines[1:-1]]
    assert "".join(part for cell in cells for part in cell) == "".join(text.split()) * 2
