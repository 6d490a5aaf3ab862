"""The Transformer decoder: cross-attention equals the dense reference, incremental decoding equals the full pass, and
nothing leaks between sequences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, sentence

from danlu.architectures import build_network
from danlu.architectures.transformer import Transformer, cores
from danlu.architectures.transformer import cross_layout as layouts
from danlu.architectures.transformer.cross_layout import DenseCross, EqualLengthsCross, RowsCross, cross_layout_of
from danlu.architectures.transformer.layout import Dense
from danlu.architectures.transformer.relative import RelativePositions, bucket_of
from danlu.batch import Memory, Seq, StreamSpec, causal_order, full_order
from danlu.evaluation.generation import pack_continuations
from danlu.objectives.causal import Causal
from danlu.packing import pack
from danlu.training.optimizers import Muon
from danlu.training.precision import Machine

VARIANTS = {
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
    "separate token embeddings": {"shared_embeddings": False},
    "more layers than the encoder": {"decoder_layers": 3},
    "windows": {"layers": 3, "window": 2, "global_every": 2},
}  # fmt: skip


class Rewriting(Causal):
    """An objective that needs a decoder; nothing else of it matters here."""

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


def memory_of(model, lengths, first=3):
    source = stream_of(lengths, full_order, first)
    return Memory(model.hidden(source), source)


sides = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=8) | st.tuples(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 5)
).map(lambda x: [(x[0], x[1])] * x[2])


def heads_of(lengths, kv_heads):
    rng = torch.Generator().manual_seed(0)
    memory_length = sum(m for _, m in lengths)
    shapes = ((sum(n for n, _ in lengths), 4, 6), (memory_length, kv_heads, 6), (memory_length, kv_heads, 6))
    return [torch.randn(s, generator=rng, dtype=torch.float64).requires_grad_() for s in shapes]


@given(sides, st.sampled_from([4, 2, 1]), st.integers(1, 12), st.booleans())
def test_every_cross_layout_and_its_gradient_equal_the_dense_reference(lengths, kv_heads, row, short):
    stream = stream_of([n for n, _ in lengths], causal_order)
    memory = stream_of([m for _, m in lengths], full_order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "ROW", row)
        patch.setattr(cores, "MAX_PLAIN_LENGTH", 512 if short else 0)
        found = []
        for layout in (DenseCross(stream, memory), RowsCross(stream, memory), cross_layout_of(stream, memory)):
            given = heads_of(lengths, kv_heads)
            out = layout.attend(*given)
            (out * torch.arange(6, dtype=torch.float64)).sum().backward()
            found.append([out.detach(), *(x.grad for x in given)])
    for fast in found[1:]:
        for a, b in zip(fast, found[0], strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def test_equal_lengths_use_the_even_layout_and_unequal_counts_are_refused():
    assert isinstance(
        cross_layout_of(stream_of([3, 3], causal_order), stream_of([5, 5], full_order)), EqualLengthsCross
    )
    assert isinstance(cross_layout_of(stream_of([3, 3], causal_order), stream_of([5, 4], full_order)), RowsCross)
    with pytest.raises(ValueError, match="stream has 2 sequences and its memory 1"):
        cross_layout_of(stream_of([3, 3], causal_order), stream_of([5], full_order))


@pytest.mark.parametrize("lengths", [((4, 6), (7, 1), (1, 3)), ((5, 3), (5, 3))], ids=["ragged", "even"])
@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
@torch.no_grad()
def test_fast_attention_and_packing_equal_the_references(settings, lengths):
    model = network(**settings)
    stream = stream_of([n for n, _ in lengths], causal_order)
    memory = memory_of(model, [m for _, m in lengths])
    whole = model.decode(stream, memory)
    x = model.embed_for_decoder(stream)
    by_rule = model.decoder(x, stream, memory, Dense(stream), DenseCross(stream, memory.stream))
    torch.testing.assert_close(whole, by_rule, rtol=0, atol=1e-12)
    alone = [
        model.decode(stream_of([n], causal_order, k), memory_of(model, [m], 3 + k)) for k, (n, m) in enumerate(lengths)
    ]
    torch.testing.assert_close(whole, torch.cat(alone), rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
@torch.no_grad()
def test_incremental_decoding_equals_the_full_pass(settings):
    """Decodes two sequences at once, from prefixes of different lengths."""
    model = network(**settings)
    memory = memory_of(model, [6, 2])
    texts = [sentence(0, 9), sentence(5, 7)]
    state, read, made = None, [0, 0], [[], []]
    for size in (3, 1), (1, 1), (4, 4), (1, 1):
        parts = [text[at : at + n] for text, at, n in zip(texts, read, size, strict=True)]
        stream = pack_continuations(read, parts, "cpu")
        hidden, state = model.decoder.extend(model.embed_for_decoder(stream), stream, state, memory)
        for k, piece in enumerate(hidden.split([len(p) for p in parts])):
            made[k].append(piece)
        read = [at + n for at, n in zip(read, size, strict=True)]
    expected = model.decode(
        pack([{"text": [Seq({"token": t}, causal_order(len(t)))]} for t in texts], {"text": StreamSpec()})["text"],
        memory,
    )
    torch.testing.assert_close(torch.cat([*made[0], *made[1]]), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
@torch.no_grad()
def test_a_sequence_attends_only_to_its_own_past_and_memory(settings):
    if settings.get("window"):
        return
    model = network(**settings)
    stream, memory = stream_of([3, 4], causal_order), memory_of(model, [2, 3])
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
def test_buckets_equal_those_of_transformers(distance, sizes, both):
    from transformers.models.t5.modeling_t5 import T5Attention

    ours = bucket_of(torch.tensor([distance]), *sizes, both)
    theirs = T5Attention._relative_position_bucket(torch.tensor([distance]), both, *sizes)
    assert torch.equal(ours, theirs)


def test_buckets_widen_with_distance_and_are_bounded():
    found = bucket_of(torch.arange(-200, 1), 32, 128, bidirectional=False).flip(0)
    assert found[:16].tolist() == list(range(16))
    assert (found.diff() >= 0).all()
    assert set(found.tolist()) == set(range(32))
    assert found[128] == 31
    assert RelativePositions(32, 128, 2, bidirectional=False)(torch.arange(3), torch.arange(5)).shape == (2, 3, 5)


def test_token_embeddings_are_shared_or_separate_and_positions_separate():
    shared, own = network(positions="learned"), network(positions="learned", shared_embeddings=False)
    assert set(shared.decoder_embeddings) == {"position"}
    assert set(own.decoder_embeddings) == {"position", "token"}
    hidden = torch.ones(1, 16, dtype=torch.float64)
    expected = hidden @ own.decoder_embeddings["token"].weight.T
    torch.testing.assert_close(own.token_logits(hidden), expected)
    assert not torch.equal(shared.decoder_embeddings["position"].weight, shared.embeddings["position"].weight)


def test_scaled_embeddings_and_scaled_head():
    plain, scaled = network(), network(scaled_head=True, scaled_embeddings=True)
    scaled.load_state_dict(plain.state_dict())
    stream = stream_of([4], causal_order)
    torch.testing.assert_close(scaled.embed(stream), 4 * plain.embed(stream))
    hidden = torch.ones(1, 16, dtype=torch.float64)
    torch.testing.assert_close(scaled.token_logits(hidden), plain.token_logits(hidden) / 4)


def test_a_decoder_is_the_identity_at_initialisation():
    chosen = Transformer(layers=2, width=16, heads=4, context=12)
    model = build_network(Rewriting(), chosen, VOCABULARY.size, seed=0)
    stream, memory = stream_of([3], causal_order), memory_of(model, [4])
    x = model.embed_for_decoder(stream)
    assert torch.equal(model.decoder(x, stream, memory), model.decoder.final_norm(x))


def test_a_model_without_decoder_ignores_decoder_settings():
    """Initial weights of other objectives do not depend on the draws that a decoder would make."""
    one, other = (
        build_network(Causal(), Transformer(layers=1, width=16, heads=4, decoder_layers=n), VOCABULARY.size, seed=0)
        for n in (None, 5)
    )
    assert one.decoder is None
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_muon_excludes_the_table_of_relative_positions():
    model = build_network(
        Rewriting(), Transformer(layers=1, width=16, heads=4, positions="relative"), VOCABULARY.size, seed=0
    )
    muon = Muon().build(model, Machine("cpu", "float32", 1))[0]
    taken = {id(p) for group in muon.param_groups for p in group["params"]}
    assert id(model.decoder.blocks[0].cross.query.weight) in taken
    assert id(model.decoder.relative.table.weight) not in taken


def test_decoder_depths_follow_those_of_the_encoder():
    from danlu.training.layer_depth import depths

    found = depths(network(positions="learned"))
    assert found["decoder_embeddings.position.weight"] == 0
    assert found["backbone.blocks.1.attention.query.weight"] == 2
    assert found["backbone.final_norm.weight"] == 3
    assert found["decoder.blocks.0.cross.query.weight"] == 3
    assert found["decoder.final_norm.weight"] == 5


@pytest.mark.parametrize("settings", [{}, {"positions": "relative"}], ids=str)
def test_activation_checkpointing_preserves_gradients(settings):
    """Including those of the decoder and of the table of relative positions, which all blocks share."""
    from danlu.training.training_options import checkpoint_activations

    found = []
    for recomputed in (False, True):
        model = network(**settings).train()
        if recomputed:
            checkpoint_activations(model)
        memory = memory_of(model, [4, 2])
        model.decode(stream_of([3, 5], causal_order), memory).square().sum().backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert {"decoder.blocks.0.cross.key.weight", "backbone.blocks.0.attention.key.weight"} <= found[0].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=0, atol=1e-12)
