"""The Transformer's decoder: its attention to a memory is the dense rule, a continuation is the full pass, and nothing
leaks from one pair of sequences to another."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, sentence

from danlu.architectures import build_network
from danlu.architectures.transformer import Transformer, cores
from danlu.architectures.transformer import cross_layout as layouts
from danlu.architectures.transformer.cross_layout import DenseCross, EvenCross, RowsCross, cross_layout_of
from danlu.architectures.transformer.layout import Dense
from danlu.architectures.transformer.relative import RelativePositions, bucket_of
from danlu.batch import Memory, Seq, StreamSpec, causal_order, full_order
from danlu.evaluation.generation import continuations
from danlu.objectives.causal import Causal
from danlu.packing import pack
from danlu.training.optimizers import Muon
from danlu.training.precision import Machine

PARTS = {
    "rotary, pre-norm": {},
    "relative, unscaled": {
        "positions": "relative", "scaled_attention": False, "scaled_head": True, "relative_buckets": 4,
    },
    "learned, post-norm": {
        "positions": "learned", "norm": "layer", "norm_bias": True, "post_norm": True, "embedding_norm": True,
        "bias": True, "scaled_embeddings": True,
    },
    "grouped queries": {"kv_heads": 2, "qk_norm": True},
    "relative, grouped queries": {"positions": "relative", "kv_heads": 2, "relative_buckets": 8},
    "its own token vectors": {"shared_embeddings": False},
    "more layers than the encoder": {"decoder_layers": 3},
    "windows": {"layers": 3, "window": 2, "global_every": 2},
}  # fmt: skip


class Rewriting(Causal):
    """An objective that asks for a decoder; only its needs matter here."""

    needs = {"backbone": frozenset({"full"}), "decoder": frozenset({"causal"})}  # noqa: RUF012


def network(**settings):
    chosen = Transformer(**{"layers": 2, "width": 16, "heads": 4, "ffn_dim": 24, "context": 12, **settings})
    model = build_network(Rewriting(), chosen, VOCABULARY.size, seed=0).double().eval()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return model


def stream_of(lengths, order, first=0):
    seqs = [Seq({"token": sentence(first + k, n)}, order(n)) for k, n in enumerate(lengths)]
    return pack([{"text": [s]} for s in seqs], {"text": StreamSpec()})["text"]


def remembered(model, lengths, first=3):
    source = stream_of(lengths, full_order, first)
    return Memory(model.hidden(source), source)


sides = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=8) | st.tuples(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 5)
).map(lambda x: [(x[0], x[1])] * x[2])


def heads_of(lengths, groups):
    rng = torch.Generator().manual_seed(0)
    asked = sum(m for _, m in lengths)
    shapes = ((sum(n for n, _ in lengths), 4, 6), (asked, groups, 6), (asked, groups, 6))
    return [torch.randn(s, generator=rng, dtype=torch.float64).requires_grad_() for s in shapes]


@given(sides, st.sampled_from([4, 2, 1]), st.integers(1, 12), st.booleans())
def test_every_layout_and_its_gradient_equal_the_dense_rule(lengths, groups, row, short):
    stream = stream_of([n for n, _ in lengths], causal_order)
    memory = stream_of([m for _, m in lengths], full_order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "ROW", row)
        patch.setattr(cores, "MAX_PLAIN_LENGTH", 512 if short else 0)
        found = []
        for layout in (DenseCross(stream, memory), RowsCross(stream, memory), cross_layout_of(stream, memory)):
            given = heads_of(lengths, groups)
            out = layout.attend(*given)
            (out * torch.arange(6, dtype=torch.float64)).sum().backward()
            found.append([out.detach(), *(x.grad for x in given)])
    for fast in found[1:]:
        for a, b in zip(fast, found[0], strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def test_equal_lengths_are_a_reshape_and_other_numbers_of_sequences_are_refused():
    assert isinstance(cross_layout_of(stream_of([3, 3], causal_order), stream_of([5, 5], full_order)), EvenCross)
    assert isinstance(cross_layout_of(stream_of([3, 3], causal_order), stream_of([5, 4], full_order)), RowsCross)
    with pytest.raises(ValueError, match="stream has 2 sequences and its memory 1"):
        cross_layout_of(stream_of([3, 3], causal_order), stream_of([5], full_order))


@pytest.mark.parametrize("lengths", [((4, 6), (7, 1), (1, 3)), ((5, 3), (5, 3))], ids=["ragged", "even"])
@pytest.mark.parametrize("settings", PARTS.values(), ids=PARTS)
@torch.no_grad()
def test_fast_attention_and_packing_equal_the_references(settings, lengths):
    model = network(**settings)
    stream = stream_of([n for n, _ in lengths], causal_order)
    memory = remembered(model, [m for _, m in lengths])
    whole = model.decode(stream, memory)
    x = model.embed_for_decoder(stream)
    by_rule = model.decoder(x, stream, memory, Dense(stream), DenseCross(stream, memory.stream))
    torch.testing.assert_close(whole, by_rule, rtol=0, atol=1e-12)
    alone = [
        model.decode(stream_of([n], causal_order, k), remembered(model, [m], 3 + k)) for k, (n, m) in enumerate(lengths)
    ]
    torch.testing.assert_close(whole, torch.cat(alone), rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", PARTS.values(), ids=PARTS)
@torch.no_grad()
def test_a_continuation_equals_the_full_pass(settings):
    """Of two sequences at once, whose beginnings differ in length."""
    model = network(**settings)
    memory = remembered(model, [6, 2])
    texts = [sentence(0, 9), sentence(5, 7)]
    state, read, made = None, [0, 0], [[], []]
    for size in (3, 1), (1, 1), (4, 4), (1, 1):
        parts = [text[at : at + n] for text, at, n in zip(texts, read, size, strict=True)]
        stream = continuations(read, parts, "cpu")
        hidden, state = model.decoder.extend(model.embed_for_decoder(stream), stream, state, memory)
        for k, piece in enumerate(hidden.split([len(p) for p in parts])):
            made[k].append(piece)
        read = [at + n for at, n in zip(read, size, strict=True)]
    expected = model.decode(
        pack([{"text": [Seq({"token": t}, causal_order(len(t)))]} for t in texts], {"text": StreamSpec()})["text"],
        memory,
    )
    torch.testing.assert_close(torch.cat([*made[0], *made[1]]), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", PARTS.values(), ids=PARTS)
@torch.no_grad()
def test_a_sequence_sees_its_own_memory_its_own_past_and_nothing_else(settings):
    if settings.get("window"):
        return
    model = network(**settings)
    stream, memory = stream_of([3, 4], causal_order), remembered(model, [2, 3])
    x = model.embed_for_decoder(stream)
    before = model.decoder(x, stream, memory)
    for i in range(len(x)):
        moved = x.clone()
        moved[i] += torch.linspace(-1, 1, 16, dtype=x.dtype)
        changed = (model.decoder(moved, stream, memory) - before).abs().amax(1) > 1e-12
        assert torch.equal(changed, stream.attention_mask()[:, i])
    for j in range(5):
        hidden = memory.hidden.clone()
        hidden[j] += torch.linspace(-1, 1, 16, dtype=x.dtype)
        changed = (model.decoder(x, stream, Memory(hidden, memory.stream)) - before).abs().amax(1) > 1e-12
        assert torch.equal(changed, stream.sequence == memory.stream.sequence[j])


@given(st.integers(-300, 300), st.sampled_from([(32, 128), (8, 20), (4, 9)]), st.booleans())
def test_buckets_are_those_of_transformers(distance, sizes, both):
    from transformers.models.t5.modeling_t5 import T5Attention

    ours = bucket_of(torch.tensor([distance]), *sizes, both)
    theirs = T5Attention._relative_position_bucket(torch.tensor([distance]), both, *sizes)
    assert torch.equal(ours, theirs)


def test_buckets_widen_and_end():
    found = bucket_of(torch.arange(-200, 1), 32, 128, bidirectional=False).flip(0)
    assert found[:16].tolist() == list(range(16))
    assert (found.diff() >= 0).all()
    assert set(found.tolist()) == set(range(32))
    assert found[128] == 31
    assert RelativePositions(32, 128, 2, bidirectional=False)(torch.arange(3), torch.arange(5)).shape == (2, 3, 5)


def test_positions_and_token_vectors_of_the_two_sides():
    shared, own = network(positions="learned"), network(positions="learned", shared_embeddings=False)
    assert set(shared.decoder_embeddings) == {"position"}
    assert set(own.decoder_embeddings) == {"position", "token"}
    hidden = torch.ones(1, 16, dtype=torch.float64)
    expected = hidden @ own.decoder_embeddings["token"].weight.T
    torch.testing.assert_close(own.token_logits(hidden), expected)
    assert not torch.equal(shared.decoder_embeddings["position"].weight, shared.embeddings["position"].weight)


def test_scales():
    plain, scaled = network(), network(scaled_head=True, scaled_embeddings=True)
    scaled.load_state_dict(plain.state_dict())
    stream = stream_of([4], causal_order)
    torch.testing.assert_close(scaled.embed(stream), 4 * plain.embed(stream))
    hidden = torch.ones(1, 16, dtype=torch.float64)
    torch.testing.assert_close(scaled.token_logits(hidden), plain.token_logits(hidden) / 4)


def test_a_decoder_is_the_identity_at_first():
    chosen = Transformer(layers=2, width=16, heads=4, context=12)
    model = build_network(Rewriting(), chosen, VOCABULARY.size, seed=0)
    stream, memory = stream_of([3], causal_order), remembered(model, [4])
    x = model.embed_for_decoder(stream)
    assert torch.equal(model.decoder(x, stream, memory), model.decoder.final_norm(x))


def test_a_model_without_decoder_is_as_it_was():
    """The weights of other objectives do not depend on what a decoder would have drawn."""
    one, other = (
        build_network(Causal(), Transformer(layers=1, width=16, heads=4, decoder_layers=n), VOCABULARY.size, seed=0)
        for n in (None, 5)
    )
    assert one.decoder is None
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_muon_leaves_the_table_of_relative_positions_alone():
    model = build_network(
        Rewriting(), Transformer(layers=1, width=16, heads=4, positions="relative"), VOCABULARY.size, seed=0
    )
    muon = Muon().build(model, Machine("cpu", "float32", 1))[0]
    taken = {id(p) for group in muon.param_groups for p in group["params"]}
    assert id(model.decoder.blocks[0].cross.query.weight) in taken
    assert id(model.decoder.relative.table.weight) not in taken


def test_the_decoder_is_deeper_than_the_encoder():
    from danlu.training.layer_depth import depths

    found = depths(network(positions="learned"))
    assert found["decoder_embeddings.position.weight"] == 0
    assert found["backbone.blocks.1.attention.query.weight"] == 2
    assert found["backbone.final_norm.weight"] == 3
    assert found["decoder.blocks.0.cross.query.weight"] == 3
    assert found["decoder.final_norm.weight"] == 5


@pytest.mark.parametrize("settings", [{}, {"positions": "relative"}], ids=str)
def test_recomputed_blocks_give_the_same_gradients(settings):
    """Those of the decoder among them, and the table of relative positions, which all blocks share."""
    from danlu.training.training_options import checkpoint_activations

    found = []
    for recomputed in (False, True):
        model = network(**settings).train()
        if recomputed:
            checkpoint_activations(model)
        memory = remembered(model, [4, 2])
        model.decode(stream_of([3, 5], causal_order), memory).square().sum().backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert {"decoder.blocks.0.cross.key.weight", "backbone.blocks.0.attention.key.weight"} <= found[0].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=0, atol=1e-12)
