"""Translation pairs: reading, splitting, framing, masking, and the figures with and without the other side."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from toy_language import VOCABULARY, ToySource

from danlu.architectures import build_network
from danlu.errors import WrongInput
from danlu.objectives.translation import Translation, mismatched_pairs, render_pair
from danlu.packing import pack
from danlu.registry import architectures
from danlu.text.compressed import create_text
from danlu.text.parallel_lines import pairs_of_split, read_pairs
from danlu.text.sentence_pairs import sentence_pairs
from danlu.training.samples import RowSamples

TABLE = 'en\tzh\tby\nA "cat".\t一只猫。\tme\nDogs\t狗\tme\nDogs\t狗\tyou\nDogs\t几条狗\tme\n\t空\tme\nFish\t鱼\tme\n'
PAIRS = [('A "cat".', "一只猫。"), ("Dogs", "狗"), ("Dogs", "几条狗"), ("Fish", "鱼")]


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz", ".tsv.zst"])
def test_pairs_are_read_plain_and_compressed(tmp_path, ending):
    path = tmp_path / f"pairs{ending}"
    if ending == ".tsv.zst":
        with create_text(path) as file:
            file.write(TABLE)
    else:
        path.write_bytes(TABLE.encode() if ending == ".tsv" else gzip.compress(TABLE.encode()))
    assert read_pairs(str(path), ("en", "zh")) == PAIRS
    assert read_pairs(str(path), ("zh", "en")) == [(b, a) for a, b in PAIRS]


@pytest.mark.parametrize(
    ("text", "columns", "line"),
    [
        (TABLE, ("en", "zhh"), ":1: no column 'zhh'; did you mean 'zh'?"),
        ("", ("en", "zh"), ":1: no column 'en'; columns: "),
        ("en\tzh\nA\tB\tC\n", ("en", "zh"), ":2: has 3 fields, the header has 2"),
        ("en\tzh\nA\t\n", ("en", "zh"), "pairs: PATH has no row with both 'en' and 'zh' below its header"),
    ],
)
def test_errors_in_a_table_are_one_line(tmp_path, text, columns, line):
    path = tmp_path / "pairs.tsv"
    path.write_text(text, "utf-8")
    with pytest.raises(WrongInput) as refused:
        read_pairs(str(path), columns)
    assert str(refused.value).removeprefix(str(path)).startswith(line.replace("PATH", str(path)))
    assert "\n" not in str(refused.value)


def test_missing_and_unknown_files_are_refused(tmp_path):
    (tmp_path / "pairs.tsv").write_text(TABLE, "utf-8")
    with pytest.raises(WrongInput, match=r"pairs: .*pair.tsv does not exist; did you mean .*pairs.tsv"):
        read_pairs(str(tmp_path / "pair.tsv"), ("en", "zh"))
    (tmp_path / "pairs.txt").write_text(TABLE, "utf-8")
    with pytest.raises(WrongInput, match=r"is not in a supported table format; supported: \.tsv, \.csv"):
        read_pairs(str(tmp_path / "pairs.txt"), ("en", "zh"))
    with pytest.raises(WrongInput, match="builtin:sentence_pair is unknown; did you mean 'builtin:sentence_pairs'"):
        read_pairs("builtin:sentence_pair", ("en", "zh"))


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.text("xyz", min_size=1)), min_size=3, unique=True))
def test_splits_keep_the_translations_of_a_sentence_together(pairs):
    if len({first for first, _ in pairs}) < 3:
        with pytest.raises(WrongInput, match="different first sides cannot fill 3 splits"):
            [pairs_of_split(pairs, split, 0.1, 0.1) for split in ("train", "validation", "test")]
        return
    parts = [pairs_of_split(pairs, split, 0.1, 0.1) for split in ("train", "validation", "test")]
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    firsts = [{first for first, _ in part} for part in parts]
    assert all(firsts)
    assert not firsts[0] & firsts[1] | firsts[0] & firsts[2] | firsts[1] & firsts[2]


def test_the_built_in_pairs_are_pairs_of_english_and_chinese():
    pairs = list(sentence_pairs())
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs) > 10_000
    assert all(a.isascii() and a[0].isupper() and a.endswith(".") for a, _ in pairs)
    assert all(b.endswith("。") and all("\u4e00" <= c <= "\u9fff" for c in b[:-1]) for _, b in pairs)
    assert ("Yesterday I drank tea at home.", "昨天我在家里喝了茶。") in pairs


def rows_of(count, seed=0):
    rng = np.random.default_rng(seed)
    return [tuple(rng.integers(4, 12, rng.integers(1, 7)) for _ in range(2)) for _ in range(count)]


def examples_of(objective, rows):
    draws = RowSamples(rows, 10.0, VOCABULARY, seed=0, shuffled=False)
    return [objective.example(draws.draw(n, 0.0)) for n in range(len(rows))]


def test_each_side_has_its_segment_and_positions():
    rows = rows_of(30)
    for (a, b), example in zip(rows, examples_of(Translation(masked={"rate": 0.4}), rows), strict=True):
        (seq,) = example["text"]
        whole, hidden = np.array([1, *a, 2, 1, *b, 2]), seq.labels["masked"] >= 0
        assert (seq.inputs["token"][~hidden] == whole[~hidden]).all()
        assert (seq.labels["masked"][hidden] == whole[hidden]).all()
        assert hidden.any()
        assert not hidden[[0, len(a) + 1, len(a) + 2, -1]].any()
        assert seq.inputs["segment"].tolist() == [0] * (len(a) + 2) + [1] * (len(b) + 2)
        assert seq.inputs["position"].tolist() == [*range(len(a) + 2), *range(len(b) + 2)]
        assert (seq.key == 0).all()


def test_mismatched_pairs_take_the_second_side_of_the_next_pair():
    objective, rows = Translation(masked={"rate": 0.3}), rows_of(5)
    text = pack(examples_of(objective, rows), objective.streams)["text"]
    mismatched = mismatched_pairs(text)
    assert mismatched.lengths == tuple(
        len(a) + len(b) + 4 for (a, _), (_, b) in zip(rows, rows[1:] + rows[:1], strict=True)
    )
    assert mismatched.offsets.tolist() == np.cumsum([0, *mismatched.lengths]).tolist()
    shown = text.inputs["token"].split(text.lengths)
    sides = [(ids[: len(a) + 2], ids[len(a) + 2 :]) for ids, (a, _) in zip(shown, rows, strict=True)]
    for k, ids in enumerate(mismatched.inputs["token"].split(mismatched.lengths)):
        assert torch.equal(ids, torch.cat([sides[k][0], sides[(k + 1) % 5][1]]))
    assert sorted(mismatched.labels["masked"].tolist()) == sorted(text.labels["masked"].tolist())


def network_of(objective, **settings):
    shape = {"name": "transformer", "layers": 1, "width": 16, "heads": 2, "context": 64, **settings}
    return build_network(objective, architectures.validate(shape), VOCABULARY.size, seed=0).eval()


def test_a_context_that_is_too_small_is_refused():
    objective = Translation()
    batch = pack(examples_of(objective, rows_of(2)), objective.streams)
    with pytest.raises(WrongInput, match="longest 62 needs a context of 64 or more, not 32"):
        network_of(objective, context=32)(batch)


def test_units_are_the_tokenized_pairs_of_a_split(tmp_path):
    objective = Translation(longest=30)
    made = {split: objective.units(ToySource(tmp_path), split) for split in ("train", "validation", "test")}
    pairs = list(sentence_pairs())
    assert sum(len(units.rows) for units in made.values()) < len(pairs)  # those with a longer side are left out
    assert 0.02 < len(made["test"].rows) / sum(len(units.rows) for units in made.values()) < 0.08
    assert max(max(map(len, row)) for row in made["train"].rows) == 30
    mean = np.mean([len(a) + len(b) + 4 for a, b in made["test"].rows])
    assert made["test"].tokens_per_unit == pytest.approx(mean)
    with pytest.raises(WrongInput, match="all test pairs have a side of more than 3 tokens"):
        Translation(longest=3).units(ToySource(tmp_path), "test")


def test_whole_word_masking_is_refused():
    with pytest.raises(ValidationError, match=r"set masked\.unit to token or span"):
        Translation(masked={"unit": "word"})


def test_figures_compare_accuracy_with_and_without_the_translation(tmp_path):
    objective = Translation(masked={"rate": 0.4, "random": 0, "replace": 1})
    batches = [pack(examples_of(objective, rows_of(8, seed)), objective.streams) for seed in range(2)]
    model = network_of(objective)

    class Copies(Translation):
        """Predicts each hidden token from its place on the other side, where that is visible."""

        def predictions(self, model, head, text, vocabulary):
            found = []
            for ids, labels in zip(
                text.inputs["token"].split(text.lengths), text.labels["masked"].split(text.lengths), strict=True
            ):
                half = len(ids) // 2
                found += [int(ids[(int(i) + half) % len(ids)]) for i in torch.nonzero(labels >= 0)[:, 0]]
            return torch.tensor(found)

    same = [(a, a) for a, _ in rows_of(40)]
    equal = [(a, b) for a, b in same if len(a) == 5]
    batch = pack(examples_of(objective, equal), objective.streams)
    figures = Copies(masked=objective.masked).judge(model, model.head, [batch], ToySource(tmp_path))["figures"]
    assert figures["accuracy"] > figures["accuracy_beside_another_pair"] + 0.2
    found = objective.judge(model, model.head, batches, ToySource(tmp_path))
    assert set(found["figures"]) == {"accuracy", "accuracy_beside_another_pair"}
    assert all(" | " in s["given"] and "___" in s["given"] and "___" not in s["made"] for s in found["samples"])


def test_blanks_are_shown_where_tokens_are_hidden(tmp_path):
    ids = np.array([1, 4, 5, 6, 2, 1, 7, 8, 2])
    hidden = np.array([0, 1, 1, 0, 0, 0, 0, 1, 0], bool)
    assert render_pair(ids, hidden, np.repeat([0, 1], [5, 4]), ToySource(tmp_path)) == "___6 | 7___"


def test_special_tokens_are_never_predicted():
    objective = Translation(masked={"rate": 0.4})
    text, model = pack(examples_of(objective, rows_of(8)), objective.streams)["text"], network_of(objective)
    hidden = int((text.labels["masked"] >= 0).sum())

    class PrefersEnds(Translation):
        def blank_logits(self, model, head, hidden):
            return torch.arange(VOCABULARY.size, 0, -1.0).repeat(len(hidden), 1)  # 0, 1, 2, 3 are special

    refused = PrefersEnds(masked=objective.masked).predictions(model, model.head, text, VOCABULARY)
    assert refused.tolist() == [4] * hidden


def test_sides_are_separated_if_begin_and_end_tokens_are_equal(tmp_path):
    """Regression: sides were separated at the first end token, which then is the first token of the sequence."""
    objective, one = Translation(masked={"rate": 0.4}), replace(VOCABULARY, eos=VOCABULARY.bos)
    draws = RowSamples(rows_of(8), 10.0, one, seed=0, shuffled=False)
    batch = pack([objective.example(draws.draw(n, 0.0)) for n in range(8)], objective.streams)
    source, model = ToySource(tmp_path), network_of(objective)
    source.vocabulary = one
    found = objective.judge(model, model.head, [batch], source)["samples"]
    lengths = [[len(side.split()) for side in sample["made"].split(" | ")] for sample in found]
    assert lengths == [[len(a), len(b)] for a, b in rows_of(8)[: len(found)]]
