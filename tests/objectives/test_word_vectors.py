"""Skip-gram and CBOW: windows, noise and losses compared with plain loops, vectors compared with gensim."""

from __future__ import annotations

import math
import shutil
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, ToySource

from danlu import durable
from danlu.architectures import build_network
from danlu.objectives.cbow import Cbow, context_mean
from danlu.objectives.skipgram import Skipgram
from danlu.objectives.word_vectors.word_similarity import WordScores, band_products, correct_pairs
from danlu.objectives.word_vectors.word_windows import WordRow, Words, context_words, offsets, training_counts
from danlu.packing import pack
from danlu.registry import architectures
from danlu.tokens.shards import FACTS, PARTS, ShardWriter, TokenStore
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.samples import RowSamples

BAG = architectures.validate({"name": "bag", "width": 5, "tied": True})
WORDS = Words.of(np.array([0, 0, 0, 0, *[3.0] * 8]), None, 0.75)

documents = st.lists(st.lists(st.integers(4, 11), max_size=6), max_size=5)


def row_of(texts):
    tokens = np.array([t for text in texts for t in text], np.int64)
    return WordRow(tokens, np.repeat(np.arange(len(texts)), [len(text) for text in texts]), WORDS)


@given(documents, st.integers(1, 4), st.integers(0, 5))
def test_contexts_are_the_words_within_reach_in_the_same_document(texts, window, seed):
    row = row_of(texts)
    left, right = row.context_sizes(np.random.default_rng(seed), window)
    reach = np.random.default_rng(seed).integers(1, window, len(row.tokens), endpoint=True)
    found = context_words(row.tokens, left, right, window)
    for i, around in enumerate(found):
        for offset, neighbour in zip(offsets(window), around, strict=True):
            j = i + offset
            near = 0 <= j < len(row.tokens) and abs(offset) <= reach[i] and row.document[i] == row.document[j]
            assert neighbour == (row.tokens[j] if near else -1)


def test_frequent_words_are_subsampled_and_noise_follows_count_to_the_power():
    counts = np.array([0, 900.0, 90.0, 10.0])
    words = Words.of(counts, 0.1, 0.75)
    assert words.keep[1:] == pytest.approx([math.sqrt(0.1 / 0.9), 1, 1])
    rng = np.random.default_rng(0)
    drawn = np.bincount(words.draw_noise(rng, (200_000,)), minlength=4) / 200_000
    expected = counts**0.75 / (counts**0.75).sum()
    assert drawn == pytest.approx(expected, abs=0.004)
    assert drawn[0] == 0
    row = WordRow(np.repeat([1, 2], 20_000), np.zeros(40_000, int), words).subsample(rng)
    assert (row.tokens == 1).sum() == pytest.approx(20_000 * words.keep[1], rel=0.05)
    assert (row.tokens == 2).sum() == 20_000


def test_counts_are_of_the_training_text_without_special_tokens(tmp_path):
    source = ToySource(tmp_path)
    found = training_counts(source)
    store = source.store("train")
    expected = np.bincount(
        np.concatenate([store.document(i) for i in range(store.documents)]), minlength=VOCABULARY.size
    )
    ordinary = VOCABULARY.ordinary(np.arange(VOCABULARY.size))
    assert np.array_equal(found[ordinary], expected[ordinary])
    assert not found[~ordinary].any()
    assert np.array_equal(training_counts(source), found)


@given(st.integers(0, 70), st.integers(1, 4))
def test_banded_products_are_products_of_neighbours(length, window):
    noise = torch.Generator().manual_seed(length)
    left, right = (torch.randn(length, 3, generator=noise, dtype=torch.float64) for _ in range(2))
    found = band_products(left, right, window)
    assert found.shape == (length, 2 * window)
    for i in range(length):
        for k, offset in enumerate(offsets(window)):
            if 0 <= i + offset < length:
                assert float(found[i, k]) == pytest.approx(float(left[i] @ right[i + offset]))


def network_and_batch(objective, folder):
    made = objective.units(ToySource(folder), "train")
    draws = RowSamples(made.rows, made.tokens_per_unit, VOCABULARY, seed=0)
    batch = pack([objective.example(draws.draw(n, 0.0)) for n in range(4)], objective.streams)
    model = build_network(objective, BAG, VOCABULARY.size, seed=0).double()
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p += torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return model, batch


def log_sigmoid(x):
    return -math.log1p(math.exp(-x))


@pytest.mark.parametrize("noise", [1, 3])
def test_the_skipgram_loss_follows_the_paper(noise, tmp_path):
    objective = Skipgram(window=2, negatives=3, noise=noise, sample=0.05, unit_tokens=20)
    model, batch = network_and_batch(objective, tmp_path)
    words, context = model.embeddings["token"].weight.detach(), model.head.context.weight.detach()
    text, expected, pairs = batch["text"], 0.0, 0
    for token, around, drawn in zip(text.inputs["token"], text.labels["skipgram"], text.inputs["noise"], strict=True):
        for other in around[around >= 0]:
            pairs += 1
            expected -= log_sigmoid(float(words[token] @ context[other]))
            expected -= 3 / noise * sum(log_sigmoid(-float(words[token] @ context[n])) for n in drawn)
    assert pairs > 20
    assert float(model(batch)["skipgram"].detach()) == pytest.approx(expected)


def test_the_cbow_loss_follows_the_paper(tmp_path):
    objective = Cbow(window=2, negatives=3, sample=None, unit_tokens=20)
    model, batch = network_and_batch(objective, tmp_path)
    words, context = model.embeddings["token"].weight.detach(), model.head.context.weight.detach()
    text, expected = batch["text"], 0.0
    tokens = text.inputs["token"]
    for i, (left, right) in enumerate(zip(text.inputs["left"].tolist(), text.inputs["right"].tolist(), strict=True)):
        if left + right:
            around = [*range(i - left, i), *range(i + 1, i + right + 1)]
            mean = words[tokens[around]].mean(0)
            expected -= log_sigmoid(float(mean @ context[tokens[i]]))
            expected -= sum(log_sigmoid(-float(mean @ context[n])) for n in text.inputs["noise"][i])
    assert float(model(batch)["cbow"].detach()) == pytest.approx(expected)


def test_the_context_mean_excludes_the_word_itself():
    hidden = torch.tensor([[1.0], [10.0], [100.0], [1000.0]])
    at = torch.tensor([False, True, False, True])
    found = context_mean(hidden, torch.tensor([1, 2]), torch.tensor([1, 0]), at, 2)
    assert found.flatten().tolist() == [50.5, 55.0]


def test_only_existing_pairs_are_compared_with_noise():
    words, drawn = torch.tensor([[4, -1], [5, 6]]), torch.tensor([[7, 8], [7, 8]])
    true, noise = torch.tensor([[3.0, 9.0], [0.0, 1.0]]), torch.tensor([[1.0, 5.0], [0.5, -1.0]])
    assert correct_pairs(WordScores(words, true, drawn, noise)) == (4, 6)
    assert correct_pairs(WordScores(words, true, torch.tensor([[4, 8], [7, 6]]), noise)) == (
        2,
        4,
    )  # noise = true words
    assert correct_pairs(WordScores(words, true, drawn, torch.ones(2, 2))) == (3, 6)  # two of them equal


@pytest.mark.parametrize("objective", [Skipgram(unit_tokens=20), Cbow(unit_tokens=20)], ids=lambda o: o.name)
def test_a_model_with_equal_scores_is_at_chance_level(objective, tmp_path):
    """Like every model before training, whose context vectors are 0."""
    model, batch = network_and_batch(objective, tmp_path)
    with torch.no_grad():
        model.head.context.weight.zero_()
        (above,) = objective.judge(model, model.head, [batch], ToySource(tmp_path))["figures"].values()
    assert above == 0.5


@pytest.fixture(scope="module")
def topics():
    """Documents about one of eight topics each, in 12 words that belong to it."""
    rng = np.random.default_rng(0)
    return [4 + 12 * topic + rng.integers(12, size=60) for topic in rng.integers(8, size=300)]


class Topics(ToySource):
    """Those documents as a source."""

    def __init__(self, folder, texts):
        super().__init__(folder)
        self.vocabulary = Vocabulary(size=100, bos=1, eos=2, mask=3, pad=0, special=frozenset(range(4)))
        self.texts = texts

    def store(self, split):
        shards = self.folder / "topics"
        if not shards.exists():
            shards.mkdir(parents=True)
            with ShardWriter(shards, "train", np.dtype("<u2"), 1 << 20) as writer:
                for ids in self.texts:
                    writer.add(np.concatenate([[1], ids, [2]]), len(ids))
            for part in PARTS:
                shutil.copy(shards / f"train-00000.{part}", shards / f"test-00000.{part}")
            durable.write_json(
                shards / FACTS, {"dtype": "uint16", "splits": dict.fromkeys(("train", "test"), writer.counts)}
            )
        return TokenStore(shards, split)


def nearest_words(vectors, top):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    return np.argsort(-cosines, axis=1)[:, :top]


def trained_vectors(objective, source, epochs, rate=2e-2):
    torch.manual_seed(0)
    model = build_network(objective, BAG.model_copy(update={"width": 16}), source.vocabulary.size, seed=0)
    made = objective.units(source, "train")
    draws = RowSamples(made.rows, made.tokens_per_unit, source.vocabulary, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0)
    for n in range(epochs * draws.units):
        (loss,) = model(pack([objective.example(draws.draw(n, 0.0))], objective.streams)).values()
        (loss / made.tokens_per_unit).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, model.embeddings["token"].weight.detach().numpy()[4:]


@pytest.mark.parametrize("objective", [Skipgram(sample=None, unit_tokens=256), Cbow(sample=None, unit_tokens=256)])
def test_words_of_one_topic_become_neighbours(objective, topics, tmp_path):
    """The chance level is 11 of 95."""
    source = Topics(tmp_path, topics)
    model, vectors = trained_vectors(objective, source, epochs=3)
    topic = np.arange(96) // 12
    assert (topic[nearest_words(vectors, 10)] == topic[:, None]).mean() > 0.9
    made = objective.units(source, "test")
    draws = RowSamples(made.rows, made.tokens_per_unit, source.vocabulary, seed=5)
    with torch.no_grad():
        batches = [pack([objective.example(draws.draw(n, 0.0))], objective.streams) for n in range(3)]
        judged = objective.judge(model, model.head, batches, source)
    (above,) = judged["figures"].values()
    assert 0.75 < above <= 1


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="gensim has no build for Python 3.14")
def test_neighbours_agree_with_those_of_gensim(tmp_path):
    """Overlap@10 among 300 frequent words: 0.43 when this was written, 0.03 by chance."""
    from gensim.models import Word2Vec

    from danlu.config.loading import load_recipe
    from danlu.runs.prepare_data import Data
    from danlu.runs.unit_source import RunSource
    from danlu.text.corpus import build_corpus
    from danlu.tokens.kinds.word import Word
    from danlu.tokens.shards import write_shards

    corpus = build_corpus(load_recipe("skipgram").corpus)
    tokenizer = Word(size=2000).train(corpus.texts("train"))
    source = RunSource(Data(corpus, tokenizer, write_shards(corpus, tokenizer)), tmp_path / "units", {})
    store, vocabulary = source.store("train"), source.vocabulary
    texts = [ids[vocabulary.ordinary(ids)] for ids in map(store.document, range(store.documents))]
    text = [[str(i) for i in part] for ids in texts for part in np.array_split(ids, len(ids) // 9000 + 1)]
    theirs = Word2Vec(text, vector_size=48, sg=1, sample=1e-3, min_count=1, workers=1, seed=1, epochs=4)
    objective = Skipgram()
    model = build_network(objective, BAG.model_copy(update={"width": 48}), vocabulary.size, seed=0)
    made = objective.units(source, "train")
    draws = RowSamples(made.rows, made.tokens_per_unit, vocabulary, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2, weight_decay=0)
    for n in range(4 * draws.units):
        batch = pack([objective.example(draws.draw(n, 0.0))], objective.streams)
        (model(batch)["skipgram"] / int((batch["text"].labels["skipgram"] >= 0).sum())).backward()
        optimizer.step()
        optimizer.zero_grad()
    frequent = np.argsort(-training_counts(source))[100:400]
    ours = model.embeddings["token"].weight.detach().numpy()[frequent]
    peer = np.stack([theirs.wv[str(i)] for i in frequent])
    a, b = nearest_words(ours, 10), nearest_words(peer, 10)
    overlap = np.mean([len(set(x) & set(y)) / 10 for x, y in zip(a, b, strict=True)])
    assert overlap > 0.25
