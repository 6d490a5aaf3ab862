"""chrF equals that of sacrebleu."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from danlu.metrics.chrf import chrf

texts = st.lists(st.tuples(*[st.text("ab c中。", max_size=14)] * 2), min_size=1, max_size=4)


@given(texts)
def test_chrf_equals_sacrebleu(pairs):
    made, given = map(list, zip(*pairs, strict=True))
    assert chrf(made, given) == pytest.approx(CHRF().corpus_score(made, [given]).score, abs=1e-9)


def test_equal_texts_score_100_and_different_ones_0():
    assert chrf(["the cat"], ["the cat"]) == pytest.approx(100)
    assert chrf(["xyz"], ["the cat"]) == 0
    assert chrf([""], [""]) == 0
