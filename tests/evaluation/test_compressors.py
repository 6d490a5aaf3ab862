import random

import pytest

from danlu.evaluation.compressors import join_documents, zstd_bits, zstd_primed_bits


def prose(seed, size):
    """Random words: about two bits per byte, without long repeats."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(20_000)]
    return " ".join(rng.choices(words, k=size // 6)).encode()


def test_documents_are_joined_by_a_newline():
    assert join_documents(["a", "丹炉", "b"]) == "a\n丹炉\nb".encode()


def test_zstd_bits_include_the_whole_frame():
    assert 8 <= zstd_bits(b"") <= 16 * 8
    assert zstd_bits(b"x" * 100_000) < 50 * 8
    assert zstd_bits(prose(1, 50_000)) > 50_000


def test_text_primed_with_itself_costs_almost_nothing():
    train = prose(2, 300_000)
    for start in (0, 150_000, 290_000):
        assert zstd_primed_bits(train[start : start + 10_000], train) < 40 * 8


def test_priming_with_unrelated_text_changes_little():
    test, digits = prose(3, 30_000), bytes(random.Random(1).choices(b"0123456789", k=100_000))
    assert zstd_primed_bits(test, digits) == pytest.approx(zstd_bits(test), rel=0.03)


def test_an_empty_or_short_training_text_primes_nothing():
    test = prose(4, 20_000)
    assert zstd_primed_bits(test, b"") == zstd_bits(test)
    assert zstd_primed_bits(test, b"abc") == zstd_bits(test)


@pytest.mark.slow  # the start of a training text longer than the default window (8 MiB at level 19) is still used
def test_the_window_covers_the_whole_training_text():
    train = prose(5, 10_000_000)
    assert len(train) > 9 << 20
    assert zstd_primed_bits(train[:20_000], train) < 60 * 8


def test_a_training_text_beyond_the_window_is_refused():
    class Long(bytes):
        def __len__(self):
            return 1 << 30

    with pytest.raises(ValueError, match="prime with less text"):
        zstd_primed_bits(b"test", Long())
