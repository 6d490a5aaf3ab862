"""The recurrent decoder: each sequence attends to its own memory, and incremental decoding equals the full pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.batch import Memory, Seq, StreamSpec, causal_order, full_order
from danlu.packing import pack
from danlu.registry import architectures

WIDTH = 8
CELLS = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])


def decoder_of(cell, layers=2):
    torch.manual_seed(0)
    made = architectures.validate({"name": "recurrent", "cell": cell, "layers": layers, "width": WIDTH})
    decoder = made.build_decoder().double()
    with torch.no_grad():
        for p in decoder.parameters():
            p += 0.3 * torch.randn(p.shape, dtype=p.dtype)
    return decoder.eval()


def stream_of(lengths, order=causal_order):
    seqs = [Seq({"token": np.zeros(n, np.int64)}, order(n)) for n in lengths]
    return pack([{"text": seqs}], {"text": StreamSpec()})["text"]


def memory_of(lengths, seed=1):
    made = torch.Generator().manual_seed(seed)
    return Memory(torch.randn(sum(lengths), WIDTH, dtype=torch.float64, generator=made), stream_of(lengths, full_order))


@CELLS
@pytest.mark.parametrize("lengths", [(3, 7, 1, 7), (5,), (2, 2)])
def test_packed_sequences_equal_single_sequences(cell, lengths):
    decoder, sizes = decoder_of(cell), [4, 1, 6, 2][: len(lengths)]
    x = torch.randn(sum(lengths), WIDTH, dtype=torch.float64)
    memory = memory_of(sizes)
    together = decoder(x, stream_of(lengths), memory)
    alone = [
        decoder(part, stream_of([len(part)]), Memory(kept, stream_of([len(kept)], full_order)))
        for part, kept in zip(x.split(lengths), memory.hidden.split(sizes), strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-12)


@CELLS
def test_a_position_attends_only_to_its_past_and_its_own_memory(cell):
    decoder, lengths, sizes = decoder_of(cell), (4, 3), (2, 5)
    stream, memory = stream_of(lengths), memory_of(sizes)
    x = torch.randn(sum(lengths), WIDTH, dtype=torch.float64)
    before = decoder(x, stream, memory)

    def changed(x, memory):
        return ((decoder(x, stream, memory) - before).abs().amax(1) > 1e-12).tolist()

    for i in range(len(x)):
        moved = x.clone()
        moved[i] += 1
        assert changed(moved, memory) == stream.attention_mask()[:, i].tolist()
    for j in range(sum(sizes)):
        moved = memory.hidden.clone()
        moved[j] += 1
        assert changed(x, Memory(moved, memory.stream)) == (stream.sequence == memory.stream.sequence[j]).tolist()


@CELLS
@pytest.mark.parametrize("cut", [(2, 5, 1), (1, 1, 1), (5, 8, 3)])
def test_incremental_decoding_equals_the_full_pass(cell, cut):
    decoder, lengths, memory = decoder_of(cell), (6, 9, 4), memory_of((3, 1, 2))
    x = torch.randn(sum(lengths), WIDTH, dtype=torch.float64)
    whole = decoder(x, stream_of(lengths), memory).split(lengths)
    parts = [(p[:c], p[c:]) for p, c in zip(x.split(lengths), cut, strict=True)]
    first, state = decoder.extend(torch.cat([a for a, _ in parts]), stream_of(cut), None, memory)
    rest = [len(b) for _, b in parts]
    made, _ = decoder.extend(torch.cat([b for _, b in parts]), stream_of(rest), state, memory)
    found = [torch.cat(pair) for pair in zip(first.split(cut), made.split(rest), strict=True)]
    torch.testing.assert_close(torch.cat(found), torch.cat(whole), rtol=0, atol=1e-12)


def test_the_attention_is_that_of_luong():
    decoder = decoder_of("gru", layers=1)
    memory, stream = memory_of((3,)), stream_of((2,))
    hidden = torch.randn(2, WIDTH, dtype=torch.float64)
    scores = torch.stack([memory.hidden @ decoder.attention.score.weight @ h for h in hidden]) / WIDTH**0.5
    context = scores.softmax(1) @ memory.hidden
    expected = torch.tanh(decoder.attention.join.weight @ torch.cat([context, hidden], 1).T).T
    torch.testing.assert_close(decoder.attention(hidden, stream, memory), expected)


def test_a_memory_with_another_number_of_sequences_is_refused():
    x = torch.zeros(4, WIDTH, dtype=torch.float64)
    with pytest.raises(ValueError, match="stream has 2 sequences and its memory 1"):
        decoder_of("gru")(x, stream_of((2, 2)), memory_of((3,)))


def test_an_empty_stream_decodes_to_nothing():
    x = torch.zeros(0, WIDTH, dtype=torch.float64)
    assert decoder_of("lstm")(x, stream_of(()), memory_of(())).shape == (0, WIDTH)
