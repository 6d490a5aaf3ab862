import math

import numpy as np
import pytest

from danlu.evaluation.unigram import adaptive_unigram_nats, unigram_nats


def test_add_one_by_hand():
    train = [np.array([0, 2, 2, 3, 1]), np.array([0, 2, 1])]  # targets: 2 three times, 3 once, 1 twice
    nats, targets = unigram_nats(train, [np.array([0, 2, 1]), np.array([0, 4, 1])], 5)
    assert targets == 4
    assert nats == pytest.approx(-math.log((4 / 11) * (3 / 11) * (1 / 11) * (3 / 11)))


def test_probabilities_sum_to_one():
    train = [np.array([0, 2, 2, 3, 1])]
    p = [math.exp(-unigram_nats(train, [np.array([0, w])], 5)[0]) for w in range(5)]
    assert sum(p) == pytest.approx(1)


def test_bos_is_not_a_target_and_empty_documents_cost_nothing():
    assert unigram_nats([np.array([0, 1])], [np.array([0]), np.array([], np.uint16)], 5) == (0.0, 0)


def test_ids_outside_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"5 \.\. 5 do not fit a vocabulary of 5"):
        unigram_nats([np.array([0, 5])], [], 5)


def test_adaptive_counts_by_hand():
    """Targets 2, 2, 1 of 5 entries: 1/5, then 2 of 6, then 1 of 7, independent of order and division into documents."""
    expected = -math.log(1 / 5 * 2 / 6 * 1 / 7)
    assert adaptive_unigram_nats([np.array([0, 2, 2, 1])], 5) == pytest.approx(expected)
    assert adaptive_unigram_nats([np.array([0, 1]), np.array([0, 2, 2])], 5) == pytest.approx(expected)
    assert adaptive_unigram_nats([np.array([0])], 5) == pytest.approx(0)
