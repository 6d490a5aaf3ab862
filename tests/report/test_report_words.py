"""The word tables are complete, and colours have enough contrast."""

from __future__ import annotations

import re
import string
from itertools import pairwise
from pathlib import Path

import pytest

import danlu.architectures
import danlu.objectives
import danlu.report
from danlu.registry import architectures, objectives
from danlu.report.chart_curves import spread
from danlu.report.phrases import LANGUAGES, bilingual, in_language, phrase, words
from danlu.report.pieces import readable_tokens

ROOM = Path(danlu.report.__file__).parent
PACKAGE = ROOM.parent
LOOKED_UP = {
    "objective",
    "term",
    "architecture",
    "metric",
    "condition",
    "baseline",
    "short_baseline",
    "spoken_baseline",
}
LOOKED_UP |= {"detail", "column", "over", "figure", "reason", "layout", "split", "environment", "list"}
ON = ("ground", "raised")
TEXTS = ("ink", "muted", "ours", "link", "better", "worse", "level")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_languages_have_the_same_keys_and_placeholders() -> None:
    first, *others = [words(language) for language in LANGUAGES]
    for other in others:
        assert first.keys() == other.keys()
        assert {key: placeholders(text) for key, text in first.items()} == {
            key: placeholders(text) for key, text in other.items()
        }


def test_exactly_the_used_keys_are_defined() -> None:
    sources = "".join(path.read_text("utf-8") for path in [*ROOM.glob("*.py"), *(ROOM / "template").glob("*.j2")])
    written = set(re.findall(r"[\"']([a-z]+\.[a-z_]+)[\"']", sources)) - {"page.css", "page.js", "figure.facecolor"}
    built = set(re.findall(r"f?\"([a-z]+\.[a-z_]*)(?:\{|\" ~)", sources))
    composed = {"curves." + name for name in re.findall(r"\"([a-z_]+)\"", sources)}
    composed |= {f"{section}.title" for section in re.findall(r"\"([a-z]+)\"", sources)}
    known = set(words("en"))
    assert {key for key in written if key.split(".")[0] in {k.split(".")[0] for k in known}} <= known
    for key in known - written - composed:
        section, _ = key.split(".")
        endings = key.endswith(("_better", "_worse", "_level", "_controls"))
        assert section in LOOKED_UP or any(key.startswith(prefix) for prefix in built) or endings, key


def test_words_of_registered_names_are_still_registered() -> None:
    """A renamed thing leaves no word behind; a new one needs none."""
    registered = {"objective": set(objectives), "architecture": set(architectures)}
    for key in words("en"):
        section, name = key.split(".", 1)
        assert section not in registered or name in registered[section], key


def test_every_figure_word_is_used_by_an_objective_or_evaluation() -> None:
    sources = [*(PACKAGE / "objectives").rglob("*.py"), *(PACKAGE / "evaluation").glob("*.py")]
    sources.append(PACKAGE / "runs" / "evaluate_model.py")
    written = "".join(path.read_text("utf-8") for path in sources)
    for key in words("en"):
        section, name = key.split(".", 1)
        if section == "figure":
            *_, last = re.split(r", |less error than |share ", name)
            assert last in written, key


def test_values_are_escaped_in_every_language() -> None:
    assert "<b>" not in bilingual(phrase("curves.loss", name="<b>"))
    assert in_language(["a", "b", "c"], "en") == "a, b and c"
    assert in_language(["甲", "乙"], "zh") == "甲和乙"


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast_is_sufficient_in_both_colour_schemes(scheme: int) -> None:
    css = (ROOM / "template" / "page.css").read_text("utf-8")
    block = css.split("{% set dark %}")[scheme].split("{% endset %}")[0]
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block))
    for ground in ON:
        for text in TEXTS:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["ink"], colours["mark"]) >= 4.5
    for mark in ("ours", "control", "second"):
        assert contrast(colours[mark], colours["ground"]) >= 3, mark


def test_overlapping_labels_are_spread_apart() -> None:
    assert spread([1.0, 2.0, 9.0], 1.0) == [1.0, 2.0, 9.0]
    assert spread([1.0, 1.2], 1.0) == pytest.approx([0.6, 1.6])
    crowded = spread([1.0, 1.1, 1.2, 2.0], 1.0)
    assert all(b - a >= 1 - 1e-9 for a, b in pairwise(crowded))


def test_token_pieces_are_made_readable() -> None:
    assert readable_tokens(["Ġthe", "Ċ", "é"], byte_level=False) == ["Ġthe", "Ċ", "é"]
    assert readable_tokens(["Ġthe", "Ċ", "Ã©"], byte_level=True) == ["·the", "⏎", "é"]
    assert readable_tokens([" the", "é", "丹"], byte_level=True) == ["·the", "é", "丹"], "already decoded"
