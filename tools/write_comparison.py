"""Write the tables of docs/comparison/ from the comparison.json files kept there. Run by `make docs`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from danlu.commands.compare import score_text
from danlu.report.phrases import in_language, word

WORDS = {
    "README.md": {
        "head": (
            "", "parameters", "tokens", "seconds", "bits per byte", "vs. {first}", "task", "random weights", "gain",
            "vs. {first}",
        ),
        "baselines": "Baselines, bits per byte: {found}.",
        "controls": "Baselines, task: {found}.",
        "language": "en",
        "and": ", ",
        "seconds": "{seconds} seconds",
        "caption": "Corpus: {corpus}. {budget} per training; trainings per model: {seeds}. Fine-tuned on {draws} "
                "samples of {rows} labelled texts.",
    },
    "README.zh.md": {
        "head": (
            "", "参数量", "词元数", "秒", "每字节比特数", "与 {first} 之差", "任务", "随机权重", "增益",
            "与 {first} 之差",
        ),
        "baselines": "基线的每字节比特数：{found}。",
        "controls": "基线的任务得分：{found}。",
        "language": "zh",
        "and": "、",
        "seconds": "{seconds} 秒",
        "caption": "语料：{corpus}。每次训练 {budget}，每个模型训练 {seeds} 次；"
                "用 {rows} 条标注文本微调，抽取 {draws} 次。",
    },
}  # fmt: skip
PLACE = re.compile(r"(<!-- table (\S+\.json) -->\n).*?(<!-- end -->)", re.DOTALL)


def said(section: str, name: str, language: str) -> str:
    """A name from a run as the report writes it."""
    return in_language(word(section, name), language)


def listed(words: dict[str, Any], key: str, items: list[str]) -> str:
    """A sentence with a list of names and values; no space follows a full-width bracket."""
    return words[key].format(found=words["and"].join(items)).replace("） ", "）")


def table(made: dict[str, Any], words: dict[str, Any]) -> str:
    """One row per model; the settings and the baselines below."""
    first, task = made["models"][0]["name"], made["task"]
    head = [cell.format(first=first) for cell in words["head"]]
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for model in made["models"]:
        apart = model["differences"]
        cells = [model["name"], f"{model['parameters']:,}", f"{model['tokens']:,.0f}", f"{model['seconds']:.0f}"]
        cells += [score_text(model["bits_per_byte"]), score_text(apart["bits_per_byte"], "+")]
        cells += [score_text(model["task"]), score_text(model["random_weights"])]
        cells += [score_text(model["pretraining_gain"], "+"), score_text(apart["task"], "+")]
        lines.append(" | ".join(cells))
    language = words["language"]
    baselines = [f"{said('baseline', name, language)} {v:.3f}" for name, v in made["baselines"].items()]
    controls = [f"{said('condition', name, language)} {score_text(v)}" for name, v in task["controls"].items()]
    corpus = words["and"].join(f"`{one}`" for one in made["corpus"].split(", "))
    budget = words["seconds"].format(seconds=made["budget"].removesuffix(" seconds"))
    facts = {"budget": budget, "seeds": made["seeds"], "rows": task["train_rows"], "draws": task["draws"]}
    caption = words["caption"].format(corpus=corpus, **facts)
    rows = "\n".join(f"| {line} |" for line in lines)
    notes = (caption, listed(words, "baselines", baselines), listed(words, "controls", controls))
    return f"\n{rows}\n\n" + "\n".join(notes) + "\n\n"


def filled(page: str, folder: Path, words: dict[str, Any]) -> str:
    """The page, with the table of every marked place made from the file named there."""

    def one(found: re.Match[str]) -> str:
        made = json.loads((folder / found[2]).read_text("utf-8"))
        return found[1] + table(made, words) + found[3]

    return PLACE.sub(one, page)


def main(folder: Path) -> None:
    for name, words in WORDS.items():
        path = folder / name
        path.write_text(filled(path.read_text("utf-8"), folder, words), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
