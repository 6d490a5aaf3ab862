"""The CUDA layouts as far as they can be tested without a device: the kernels get their documented arguments.
`test_on_cuda.py` runs the kernels themselves."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ragged_streams import heads_of, lengths, streams
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.attention.flex_attention import create_mask, flex_attention

from danlu.architectures.transformer import Transformer, flex, varlen
from danlu.architectures.transformer import layout as layouts
from danlu.architectures.transformer.flex import Flex, block_table
from danlu.architectures.transformer.layout import Dense, EqualLengths, Rows, layout_of, within_window
from danlu.architectures.transformer.orders import case_of, product_dtype
from danlu.architectures.transformer.positions import angles_by_window
from danlu.architectures.transformer.varlen import Varlen
from danlu.batch import Seq, StreamSpec, causal_order, full_order
from danlu.packing import pack

windows = st.none() | st.integers(0, 9)


def stream_of(sizes, order, start=0):
    """Pack sequences of these sizes, with positions from `start`."""
    seqs = [Seq({"token": np.zeros(n, np.int64), "position": start + np.arange(n)}, order(n)) for n in sizes]
    return pack([{"text": seqs}], {"text": StreamSpec()})["text"]


def case(stream, windows=(None, 4), head_dim=64, dtype=torch.bfloat16):
    return case_of(stream, windows, head_dim, dtype)


def documented(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, window_size=(-1, -1), enable_gqa=False):
    """Reference for varlen_attn as torch documents it: sequences are separate, the window counts steps to the left and
    to the right (-1: unbounded), and query heads may be grouped if that is enabled."""
    assert cu_seq_q.dtype == torch.int32
    assert enable_gqa or query.shape[1] == key.shape[1]
    left, right = (len(query) if n < 0 else n for n in window_size)
    out = torch.full_like(query, torch.nan)
    for start, stop in zip(cu_seq_q.tolist()[:-1], cu_seq_k.tolist()[1:], strict=True):
        assert stop - start <= min(max_q, max_k)
        at = torch.arange(stop - start)
        step = at[:, None] - at
        seen = (step <= left) & (-step <= right)
        q, k, v = (x[start:stop].transpose(0, 1)[None] for x in (query, key, value))
        made = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=enable_gqa)
        out[start:stop] = made[0].transpose(0, 1)
    return out


@given(
    lengths, st.sampled_from([causal_order, full_order]), windows, st.sampled_from([(4, 4), (4, 2)]), st.integers(0, 3)
)
def test_varlen_arguments_reproduce_the_dense_reference(sizes, order, window, counts, start):
    stream = stream_of(sizes, order, start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(varlen, "kernel", lambda: documented)
        layout = Varlen(stream, case(stream))
    leaves = [[x.requires_grad_() for x in heads_of(stream, *counts)] for _ in range(2)]
    for heads, attention in zip(leaves, (layout, Dense(stream)), strict=True):
        (attention.attend(*heads, window) * torch.arange(6, dtype=torch.float64)).sum().backward()
    for mine, reference in zip(*leaves, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=0, atol=1e-11)
    torch.testing.assert_close(
        layout.attend(*leaves[0], window), Dense(stream).attend(*leaves[0], window), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("counts", [(4, 4), (4, 2)])
def test_torch_varlen_kernel_accepts_the_arguments(window, counts):
    """Checks names, dtypes and shapes of the arguments on the meta device, forward and backward."""
    stream = stream_of((3, 7, 1), causal_order)
    layout = Varlen(stream, case(stream))
    layout.offsets = layout.offsets.to("meta")
    given = [x.to("meta", torch.bfloat16).requires_grad_() for x in heads_of(stream, *counts, width=16)]
    out = layout.attend(*given, window)
    out.sum().backward()
    assert out.shape == given[0].shape
    assert all(x.grad.shape == x.shape for x in given)


@given(streams(), windows)
def test_flex_mask_equals_the_attention_mask(stream, window):
    seen = (
        stream.attention_mask()
        if window is None
        else stream.attention_mask() & within_window(stream.inputs["position"], window)
    )
    length = len(stream.key)
    made = create_mask(Flex(stream, case(stream)).rule(window), None, None, length, length, device="cpu")
    assert torch.equal(made[0, 0], seen)


@given(streams(), windows, st.sampled_from([(4, 4), (4, 2)]))
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_equals_the_reference(stream, window, counts):
    """Uses torch's flex_attention uncompiled, which has no backward pass on a CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flex, "kernel", lambda: flex_attention)
        layout = Flex(stream, case(stream, (window,)))
    given = heads_of(stream, *counts, width=16)
    torch.testing.assert_close(layout.attend(*given, window), Dense(stream).attend(*given, window), rtol=0, atol=1e-12)


@given(streams(st.lists(st.integers(1, 40), min_size=1, max_size=8)), st.integers(1, 20), windows)
def test_block_table_covers_the_mask_and_full_blocks_are_fully_visible(stream, size, window):
    seen = (
        stream.attention_mask()
        if window is None
        else stream.attention_mask() & within_window(stream.inputs["position"], window)
    )
    length = len(seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flex, "BLOCK", size)
        table = block_table(stream)
        mask = Flex(stream, case(stream, (window,))).masks[window]
    some, every = (np.kron(t, np.ones((size, size), bool))[:length, :length] for t in table)
    unwindowed = stream.attention_mask().numpy()
    assert not (unwindowed & ~some).any()
    assert not (every & ~unwindowed).any()
    assert not (every & ~some).any()
    held = np.kron(mask.to_dense()[0, 0].numpy().astype(bool), np.ones((size, size), bool))[:length, :length]
    assert not (seen.numpy() & ~held).any()
    whole = np.zeros_like(table[0])
    for row, count in enumerate(mask.full_kv_num_blocks[0, 0].tolist()):
        whole[row, mask.full_kv_indices[0, 0, row, :count]] = True
    full_blocks = np.kron(whole, np.ones((size, size), bool))[:length, :length]
    assert not (full_blocks & ~seen.numpy()).any()


def test_empty_blocks_are_left_out():
    """Four causal sequences of one block each: the four diagonal blocks of sixteen, none full. With full attention: the
    same four, all full. One long causal sequence: all blocks below the diagonal are full."""
    diagonal = np.eye(4, dtype=bool)
    some, every = block_table(stream_of([flex.BLOCK] * 4, causal_order))
    assert np.array_equal(some, diagonal)
    assert not every.any()
    some, every = block_table(stream_of([flex.BLOCK] * 4, full_order))
    assert np.array_equal(some, diagonal)
    assert np.array_equal(every, diagonal)
    some, every = block_table(stream_of([4 * flex.BLOCK], causal_order))
    assert np.array_equal(some, np.tri(4, dtype=bool))
    assert np.array_equal(every, np.tri(4, k=-1, dtype=bool))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings of the compiler
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a compiler")
@pytest.mark.parametrize("window", [None, 40])
@torch.no_grad()
def test_compiled_kernel_uses_the_block_table(window):
    """On a CPU torch compiles the forward pass, which skips blocks as the GPU kernel does."""
    seqs = [
        Seq({"token": np.zeros(n, np.int64)}, np.maximum(np.arange(n) - n // 3, 0)) for n in (3, 300, 1, 128, 129, 400)
    ]
    stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"]
    layout = Flex(stream, case(stream, (window,)))
    whole = layout.masks[window].full_kv_num_blocks
    assert bool(whole.any()) == (window is None)
    given = [x.float() for x in heads_of(stream, 4, 2, width=16)]
    torch.testing.assert_close(layout.attend(*given, window), Dense(stream).attend(*given, window))


def prefix_order(n):
    return np.maximum(np.arange(n) - 1, 0)


FILLED_UP = ((3, 7, 1, 5), (4, 8, 2, 2), (16,), (2,) * 8, (5, 5, 6), (9, 7), (1, 1, 1, 13))
"""Sizes of streams that fill the same capacity."""


def block_and_counter():
    """Return a backbone, its first block compiled as a single graph, and a counter of compilations."""
    torch._dynamo.reset()
    backbone = Transformer(layers=1, width=64, heads=4, kv_heads=2, context=64).build()
    counter = CompileCounterWithBackend("aot_eager")
    return backbone, torch.compile(backbone.blocks[0], backend=counter, fullgraph=True), counter


def angles_of(backbone, stream):
    return angles_by_window(backbone.settings, stream, (None,))[None]


@pytest.mark.filterwarnings("ignore")  # warnings of the compiler
def test_block_with_varlen_compiles_to_one_graph_with_few_recompilations():
    backbone, block, counter = block_and_counter()
    backbone.to("meta", torch.bfloat16)
    for sizes in FILLED_UP:
        stream = stream_of(sizes, causal_order)
        layout = Varlen(stream, case(stream, (None,)))
        layout.offsets = layout.offsets.to("meta")
        x = torch.zeros(16, 64, device="meta", dtype=torch.bfloat16, requires_grad=True)
        angles = tuple(a.to("meta") for a in angles_of(backbone, stream))
        block(x, layout, angles).sum().backward()
        assert x.grad.shape == x.shape
    assert counter.frame_count <= 3


@torch.no_grad()
@pytest.mark.filterwarnings("ignore")
def test_block_with_flex_compiles_once_and_uses_each_new_mask():
    backbone, block, counter = block_and_counter()
    for sizes in FILLED_UP:
        stream = stream_of(sizes, prefix_order)
        layout, angles = Flex(stream, case(stream, (None,))), angles_of(backbone, stream)
        x = torch.randn(16, 64, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(block(x, layout, angles), backbone.blocks[0](x, Dense(stream), angles))
    assert counter.frame_count == 1


@given(st.integers(1, 10**6))
def test_varlen_lengths_are_rounded_to_few_values(n):
    assert n <= varlen.round_up(n) <= n + n // 8 + (n < 8)
    assert varlen.round_up(varlen.round_up(n)) == varlen.round_up(n)
    assert len({varlen.round_up(k) for k in range(256, 512)}) == 9


ON_CUDA = {
    "windows of one length": ((4, 4), causal_order, {}, EqualLengths),
    "ragged, causal": ((4, 5), causal_order, {}, Varlen),
    "ragged, full": ((4, 5), full_order, {}, Varlen),
    "even with a window": ((4, 4), full_order, {"windows": (None, 4)}, Varlen),
    "in float32": ((4, 5), causal_order, {"dtype": torch.float32}, Rows),
    "head width not a multiple of eight": ((4, 5), causal_order, {"head_dim": 20}, Rows),
    "heads too wide": ((4, 5), causal_order, {"head_dim": 264}, Rows),
    "a prefix": ((4, 5), prefix_order, {}, Flex),
    "a prefix in float32": ((4, 4), prefix_order, {"dtype": torch.float32}, Flex),
    "a prefix in float64": ((4, 5), prefix_order, {"dtype": torch.float64}, Rows),
    "a prefix and narrow heads": ((4, 5), prefix_order, {"head_dim": 8}, Rows),
}


@pytest.mark.parametrize(("sizes", "order", "given", "expected"), ON_CUDA.values(), ids=ON_CUDA)
def test_layout_chosen_on_a_gpu(sizes, order, given, expected, monkeypatch):
    monkeypatch.setattr(varlen, "available", lambda device: True)
    monkeypatch.setattr(flex, "available", lambda device: True)
    given = {"windows": (None,), "head_dim": 64, "dtype": torch.bfloat16, **given}
    assert type(layout_of(stream_of(sizes, order), **given)) is expected


def test_windows_over_positions_with_gaps_use_flex(monkeypatch):
    monkeypatch.setattr(varlen, "available", lambda device: True)
    monkeypatch.setattr(flex, "available", lambda device: True)
    seqs = [Seq({"token": np.zeros(4, np.int64), "position": np.array([0, 1, 3, 4])}, causal_order(4))] * 2
    stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"]
    assert type(layout_of(stream, (None, 4), 64, torch.bfloat16)) is Flex
    assert type(layout_of(stream, (None,), 64, torch.bfloat16)) is EqualLengths


def test_cuda_layouts_are_not_offered_on_a_cpu():
    assert layouts.layouts_on(torch.device("cpu")) == [EqualLengths, Rows]


def test_product_dtype_follows_autocast():
    x = torch.zeros(2)
    assert product_dtype(x) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert product_dtype(x) == torch.bfloat16
    assert product_dtype(x.double()) == torch.float64


@given(streams())
def test_a_moved_stream_keeps_its_host_copy(stream):
    """The layout is chosen from the host copy; a changed stream has none."""
    moved = stream.to(torch.device("meta"))
    assert moved.host is stream
    assert moved.to(torch.device("meta")).host is stream
    assert case(moved) == case(stream)
    assert replace(moved, key=moved.key).host is None
