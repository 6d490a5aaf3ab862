"""The CUDA kernels equal the reference, forward and backward. Needs a CUDA device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.architectures.transformer.flex import Flex
from danlu.architectures.transformer.layout import Dense, EqualLengths, Rows, layout_of
from danlu.architectures.transformer.varlen import Varlen
from danlu.batch import HIDDEN_KEY, Seq, StreamSpec, causal_order, full_order
from danlu.packing import pack

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore"),  # warnings of the compiler
]

SIZES = (3, 300, 1, 128, 129, 64, 64, 511)
RNG = np.random.default_rng(0)


def prefix(n):
    return np.maximum(np.arange(n) - n // 3, 0), None


def permuted(n):
    """Order as in XLNet: the tokens, then query-only positions for the last third."""
    rank, k = RNG.permutation(n - n // 3), n // 3
    queried = np.resize(rank, k)
    return np.concatenate([rank, np.full(k, HIDDEN_KEY)]), np.concatenate([rank, queried - 1])


ORDERS = {
    "causal": (lambda n: (causal_order(n), None), Varlen),
    "full": (lambda n: (full_order(n), None), Varlen),
    "prefix": (prefix, Flex),
    "permutation": (permuted, Flex),
}


def stream_of(order, sizes=SIZES):
    seqs = []
    for n in sizes:
        key, query = order(n)
        seqs.append(Seq({"token": np.zeros(n, np.int64)}, key, query))
    return pack([{"text": seqs}], {"text": StreamSpec()})["text"].to(torch.device("cuda"))


def forward_and_backward(layout, given, window):
    leaves = [x.detach().clone().requires_grad_() for x in given]
    out = layout.attend(*leaves, window)
    (out.double() * torch.linspace(-1, 1, out.shape[2], device="cuda", dtype=torch.float64)).sum().backward()
    return [out.detach().double(), *(x.grad.double() for x in leaves)]


def assert_equals_reference(layout, stream, dtype, counts, window, tolerance):
    """Compare with the reference in float64 on the same rounded inputs."""
    generator = torch.Generator("cuda").manual_seed(0)
    shapes = [(len(stream.key), h, 64) for h in (counts[0], counts[1], counts[1])]
    given = [torch.randn(s, generator=generator, device="cuda", dtype=torch.float32).to(dtype) for s in shapes]
    reference = forward_and_backward(Dense(stream), [x.double() for x in given], window)
    for mine, exact in zip(forward_and_backward(layout, given, window), reference, strict=True):
        assert (mine - exact).norm() <= tolerance * exact.norm()


@pytest.mark.parametrize("window", [None, 16])
@pytest.mark.parametrize("counts", [(4, 4), (4, 2)])
@pytest.mark.parametrize(("order", "expected"), ORDERS.values(), ids=ORDERS)
def test_kernels_in_half_precision_equal_the_reference(order, expected, counts, window):
    stream = stream_of(order)
    layout = layout_of(stream, (None, window), 64, torch.bfloat16)
    assert type(layout) is expected
    assert_equals_reference(layout, stream, torch.bfloat16, counts, window, 2e-2)


@pytest.mark.parametrize("order", ["prefix", "permutation"])
def test_flex_in_float32_equals_the_reference(order):
    stream = stream_of(ORDERS[order][0])
    layout = layout_of(stream, (None,), 64, torch.float32)
    assert type(layout) is Flex
    assert_equals_reference(layout, stream, torch.float32, (4, 2), None, 2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("order", ["causal", "full"])
def test_windows_of_one_length_equal_the_reference(order, dtype):
    stream = stream_of(ORDERS[order][0], (256,) * 4)
    layout = layout_of(stream, (None,), 64, dtype)
    assert type(layout) is EqualLengths
    assert_equals_reference(layout, stream, dtype, (4, 2), None, 1e-5 if dtype == torch.float32 else 2e-2)


def test_rows_in_float32_equal_the_reference():
    stream = stream_of(ORDERS["causal"][0])
    layout = layout_of(stream, (None,), 64, torch.float32)
    assert type(layout) is Rows
    assert_equals_reference(layout, stream, torch.float32, (4, 2), None, 1e-5)


def test_choosing_a_layout_does_not_synchronise_with_the_device():
    """torch raises an error where it would synchronise."""
    streams = [stream_of(order) for order, _ in ORDERS.values()]
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for stream in streams:
            layout_of(stream, (None,), 64, torch.bfloat16)
            layout_of(stream, (None,), 64, torch.float32)
            assert len(stream.sequence) == len(stream.key)
    finally:
        torch.cuda.set_sync_debug_mode("default")
