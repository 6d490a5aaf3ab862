"""Kneser-Ney compared with the formula of Chen & Goodman, written out naively with dictionaries."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.evaluation.kneser_ney import FALLBACK_DISCOUNTS, KneserNey, discounts

BOS, EOS = 0, 1


def document(ids):
    return np.array([BOS, *ids, EOS], np.uint16)


class BruteForce:
    """p(w | context) straight from the formula; only `discounts` is shared, and has its own test."""

    def __init__(self, documents, vocabulary_size, order):
        self.v, self.order = vocabulary_size, order
        raw, left = Counter(), defaultdict(list)
        for doc in documents:
            doc = [int(t) for t in doc]
            for end in range(1, len(doc)):
                for n in range(1, min(order, end + 1) + 1):
                    gram = tuple(doc[end - n + 1 : end + 1])
                    raw[gram] += 1
                    left[gram].append(doc[end - n] if end >= n else None)
        self.a = {}
        for gram, count in raw.items():
            before = left[gram]
            fewer = len({t for t in before if t is not None}) + sum(t is None for t in before)
            self.a[gram] = count if len(gram) == order else fewer
        self.d = {
            n: (0.0, *discounts(np.array([c for g, c in self.a.items() if len(g) == n], np.int64)))
            for n in range(1, order + 1)
        }

    def p(self, word, context):
        context = tuple(context[max(len(context) - self.order + 1, 0) :])
        lower = self.p(word, context[1:]) if context else 1 / self.v
        n = len(context) + 1
        after = [self.a.get((*context, w), 0) for w in range(self.v)]
        if sum(after) == 0:
            return lower
        discounted_mass = sum(self.d[n][min(c, 3)] for c in after)
        count = self.a.get((*context, word), 0)
        return (max(count - self.d[n][min(count, 3)], 0) + discounted_mass * lower) / sum(after)

    def nats(self, doc):
        doc = [int(t) for t in doc]
        return -sum(math.log(self.p(doc[i], doc[:i])) for i in range(1, len(doc)))


def toy(seed, documents=60, vocabulary=9, longest=30):
    """Documents from a random first-order Markov chain, so that all orders have counts."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(vocabulary - 2, 0.3), size=vocabulary)
    made = []
    for _ in range(documents):
        ids = [BOS]
        for _ in range(int(rng.integers(0, longest))):
            ids.append(2 + int(rng.choice(vocabulary - 2, p=table[ids[-1]])))
        made.append(document(ids[1:]))
    return made


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equals_the_formula_on_toy_text(order):
    train, test = toy(1), toy(2, documents=25)
    fast, slow = KneserNey.fit(train, 9, order), BruteForce(train, 9, order)
    np.testing.assert_allclose(fast.document_nats(test), [slow.nats(d) for d in test], rtol=1e-12)
    assert [o.discounts for o in fast.orders] == [slow.d[n][1:] for n in range(1, order + 1)]
    assert order == 1 or any(o.discounts != FALLBACK_DISCOUNTS for o in fast.orders)


texts = st.lists(st.lists(st.integers(2, 6), max_size=8).map(document), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(texts, texts, st.integers(1, 5))
def test_equals_the_formula_on_any_text(train, test, order):
    fast, slow = KneserNey.fit(train, 8, order), BruteForce(train, 8, order)
    np.testing.assert_allclose(fast.document_nats(test), [slow.nats(d) for d in test], rtol=1e-12)


def next_token_probabilities(model, context):
    """[V] from the public interface: the cost that one more token adds to a document."""
    longer = [np.array([*context, w], np.uint16) for w in range(model.vocabulary_size)]
    return np.exp(model.document_nats([np.array(context, np.uint16)]) - model.document_nats(longer))


@settings(max_examples=60, deadline=None)
@given(texts, st.lists(st.integers(2, 7), max_size=6), st.integers(1, 5))
def test_every_distribution_sums_to_one(train, context, order):
    p = next_token_probabilities(KneserNey.fit(train, 8, order), [BOS, *context])
    assert p.min() > 0
    assert p.sum() == pytest.approx(1, abs=1e-12)


def test_distributions_of_seen_contexts_sum_to_one():
    train = toy(3)
    model = KneserNey.fit(train, 9)
    for doc in train[:20]:
        for end in range(1, min(len(doc), 7)):
            assert next_token_probabilities(model, doc[:end]).sum() == pytest.approx(1, abs=1e-12)


def test_contexts_do_not_cross_documents():
    model = KneserNey.fit(toy(4), 9)
    a, b = toy(5, documents=2)
    alone = [*model.document_nats([a]), *model.document_nats([b])]
    np.testing.assert_allclose(model.document_nats([a, b]), alone, rtol=1e-14)


def test_nats_are_the_sum_over_documents_and_count_eos():
    model, test = KneserNey.fit(toy(6), 9), toy(7, documents=10)
    nats, targets = model.nats(iter(test))
    assert nats == pytest.approx(model.document_nats(test).sum())
    assert targets == sum(len(d) - 1 for d in test)


def test_scoring_in_batches_changes_nothing(monkeypatch):
    model, test = KneserNey.fit(toy(6), 9), toy(7, documents=10)
    whole = model.document_nats(test)
    monkeypatch.setattr("danlu.evaluation.kneser_ney.SCORED_AT_ONCE", 20)
    np.testing.assert_array_equal(model.document_nats(iter(test)), whole)


def test_higher_orders_help_on_text_with_memory():
    pattern = [2, 3, 4, 2, 5, 6, 2, 3, 7]
    train, test = [document(pattern * 20)] * 3, [document(pattern * 5)]
    costs = [KneserNey.fit(train, 9, order).nats(test)[0] for order in (1, 2, 5)]
    assert costs[0] > costs[1] > costs[2]


def test_discounts_by_hand():
    # n1, n2, n3, n4 = 8, 4, 2, 1: Y = 8 / 16, D1 = 1 - 2 Y 4/8, D2 = 2 - 3 Y 2/4, D3 = 3 - 4 Y 1/2
    counts = np.repeat([0, 1, 2, 3, 4, 9], [5, 8, 4, 2, 1, 3])
    assert discounts(counts) == pytest.approx((0.5, 1.25, 2.0))
    assert discounts(np.array([5, 6, 7])) == FALLBACK_DISCOUNTS


def test_empty_test_and_training_texts_are_handled():
    model = KneserNey.fit([], 4)
    assert model.nats([]) == (0.0, 0)
    assert model.nats([document([2])])[0] == pytest.approx(2 * math.log(4))


def test_ids_outside_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"do not fit a vocabulary of 9"):
        KneserNey.fit(toy(1), 9).nats([np.array([0, 9, 1])])
    with pytest.raises(ValueError, match="order of an n-gram model is at least 1"):
        KneserNey.fit(toy(1), 9, order=0)
