"""Variants of one text never cross splits; neither reading order nor other documents change the split of a text."""

from __future__ import annotations

import json
import logging
import os
import random
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.documents import Document
from danlu.text.near_duplicates import jaccard, shingles
from danlu.text.normal_form import normal_form
from danlu.text.parallel_lines import pairs_of_split
from danlu.text.split import SPLITS, cuts_by_share, fraction
from danlu.text.split_overlap import MAX_CHARACTERS, near_duplicates_between_splits, shingle_hashes, similarity

TEXTS = [f"Document {i} about the furnace of alchemists, 炼丹 part {i * i}" for i in range(40)]


def variant(text: str, way: int) -> str:
    return (text, text.upper(), text.lower(), text.replace(" ", "  "), text.replace(",", "，"), text.swapcase())[way]


def splits_of(texts: list[str], validation: float = 0.3, test: float = 0.3) -> dict[str, str]:
    """{text: split} of the corpus of a JSON-lines file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "corpus.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        corpus = build_corpus(CorpusSettings(source=path, validation=validation, test=test))
        found = {text: split for split in SPLITS for text in corpus.texts(split)}
        kept = corpus.facts["documents"]["kept"]
    assert len(found) == kept == len({normal_form(text) for text in texts})
    return found


WAYS = st.lists(st.tuples(st.integers(0, len(TEXTS) - 1), st.integers(0, 5)), max_size=40)


@settings(max_examples=15, deadline=None)
@given(WAYS, st.randoms(use_true_random=False))
def test_the_reading_order_does_not_change_splits(ways, draw):
    texts = TEXTS + [variant(TEXTS[i], way) for i, way in ways]
    found = splits_of(texts)
    draw.shuffle(texts)
    assert splits_of(texts) == found


@settings(max_examples=15, deadline=None)
@given(WAYS, st.lists(st.text(min_size=1).filter(str.strip), max_size=10))
def test_other_documents_do_not_change_splits(ways, others):
    texts = TEXTS + [variant(TEXTS[i], way) for i, way in ways]
    own = {normal_form(text) for text in texts}
    others = [text for text in others if normal_form(text) not in own]
    more = splits_of(others + texts)
    assert splits_of(texts).items() <= more.items()


def test_a_text_without_variants_is_split_by_its_hash():
    where = cuts_by_share(0.3, 0.3)
    assert splits_of(TEXTS) == {text: where.split(fraction(text)) for text in TEXTS}


def test_the_representative_is_kept_and_other_variants_count_as_duplicates(tmp_path):
    texts = TEXTS + [variant(text, way) for text in TEXTS for way in range(6)]
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    corpus = build_corpus(CorpusSettings(source=str(path), validation=0.3, test=0.3))
    facts = corpus.facts["documents"]
    assert facts == {"in": len(texts), "kept": len(TEXTS), "rejected": {"duplicate": len(texts) - len(TEXTS)}}
    documents = [document for split in SPLITS for document in corpus.documents(split)]
    assert any(document.text not in TEXTS for document in documents)
    for document in documents:
        assert texts[int(document.name.rpartition(":")[2]) - 1] == document.text
    assert sum(split["characters"] for split in corpus.facts["splits"].values()) == sum(len(d.text) for d in documents)


@given(WAYS)
def test_pairs_of_variants_are_in_one_split(ways):
    pairs = [(text, "x") for text in TEXTS] + [(variant(TEXTS[i], way), str(k)) for k, (i, way) in enumerate(ways)]
    found = {split: pairs_of_split(pairs, split, 0.3, 0.3) for split in SPLITS}
    assert sorted(pair for own in found.values() for pair in own) == sorted(pairs)
    forms = [{normal_form(first) for first, _ in own} for own in found.values()]
    assert sum(map(len, forms)) == len(set().union(*forms)) == len(TEXTS)


def letters(draw: random.Random, n: int) -> str:
    return "".join(draw.choices("abcdefghij klmnop", k=n))


def overlap(documents: dict[str, list[str]]) -> dict:
    counts = {s: {"documents": len(own), "characters": sum(map(len, own))} for s, own in documents.items()}
    named = {s: [Document(text, f"{s} {i}") for i, text in enumerate(own)] for s, own in documents.items()}
    return near_duplicates_between_splits(named.__getitem__, counts)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 400))
def test_near_duplicates_equal_those_by_exact_similarity(draw, size):
    documents: dict[str, list[str]] = {"train": [letters(draw, size) for _ in range(20)], "validation": [], "test": []}
    for split in ("validation", "test"):
        for text in documents["train"][:12]:
            changed = list(text)
            for _ in range(draw.randrange(1 + size // 8)):
                changed[draw.randrange(size)] = draw.choice("xyz")
            documents[split].append("".join(changed))
    sets = {split: [shingles(text) for text in own] for split, own in documents.items()}

    def near(split: str, others: list[set[str]]) -> int:
        return sum(any(jaccard(own, other) >= 0.8 for other in others) for own in sets[split])

    found = overlap(documents)["found"]
    assert found["validation"]["documents"] == near("validation", sets["train"])
    assert found["test"]["documents"] == near("test", sets["train"] + sets["validation"])


def test_near_duplicates_between_validation_and_test_count_for_test():
    draw = random.Random(0)
    text = letters(draw, 500)
    found = overlap({"train": [letters(draw, 500)], "validation": [text], "test": [text.upper() + "!"]})
    assert found["found"]["validation"]["documents"] == 0
    assert found["found"]["test"] == {"documents": 1, "share": 1.0}
    assert found["examples"] == [{"split": "test", "document": "test 0", "near": "validation 0"}]
    assert found["compared"]["train"] == {"documents": 1, "share": 1.0}


def test_a_large_split_is_sampled_and_the_share_recorded(monkeypatch):
    draw = random.Random(0)
    documents = {"train": [letters(draw, 60) for _ in range(400)], "validation": [], "test": []}
    documents["test"] = [text + "." for text in documents["train"]]
    assert overlap(documents)["found"]["test"] == {"documents": 400, "share": 1.0}
    monkeypatch.setattr("danlu.text.split_overlap.TRAIN_DOCUMENTS", 100)
    found = overlap(documents)
    assert found["compared"]["train"]["share"] == 0.25
    assert 60 < found["compared"]["train"]["documents"] < 140
    assert found["found"]["test"]["documents"] == found["compared"]["train"]["documents"]
    assert found["compared"]["test"] == {"documents": 400, "share": 1.0}


def test_long_documents_are_compared_by_their_first_characters():
    draw = random.Random(0)
    text = letters(draw, MAX_CHARACTERS)
    assert similarity(shingle_hashes(text), shingle_hashes(text + letters(draw, MAX_CHARACTERS))) == 1


def test_a_corpus_reports_near_duplicates_between_its_splits(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    draw = random.Random(0)
    path = tmp_path / "corpus.jsonl"
    texts = [letters(draw, 300) for _ in range(100)]
    texts += [text + " changed." for text in texts]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    corpus = build_corpus(CorpusSettings(source=str(path), validation=0.2, test=0.2))
    facts = corpus.facts["near_duplicates"]
    splits = {split: {text.removesuffix(" changed.") for text in corpus.texts(split)} for split in SPLITS}
    assert facts["found"]["validation"]["documents"] == len(splits["validation"] & splits["train"]) > 0
    assert facts["found"]["test"]["documents"] == len(splits["test"] & (splits["train"] | splits["validation"])) > 0
    assert "near-duplicate" in caplog.text
