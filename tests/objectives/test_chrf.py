"""chrF is sacrebleu's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from danlu.metrics.chrf import chrf

texts = st.lists(st.tuples(*[st.text("ab c中。", max_size=14)] * 2), min_size=1, max_size=4)


@given(texts)
def test_it_is_sacrebleus(pairs):
    made, given = map(list, zip(*pairs, strict=True))
    assert chrf(made, given) == pytest.approx(CHRF().corpus_score(made, [given]).score, abs=1e-9)


def test_the_same_text_is_100_and_another_0():
    assert chrf(["the cat"], ["the cat"]) == pytest.approx(100)
    assert chrf(["xyz"], ["the cat"]) == 0
    assert chrf([""], [""]) == 0
