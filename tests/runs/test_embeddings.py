"""A model whose embeddings start from those of an earlier model of the run or of a folder with another tokenizer."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.architectures import build_network
from danlu.errors import Stopped, WrongInput
from danlu.interop import load_model, save_native
from danlu.registry import architectures, objectives
from danlu.runs.embedding_transfer import match_tokens, transfer_embeddings
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.tokens.kinds.word import Word
from danlu.tokens.kinds.wordpiece import WordPiece

TEXTS = ["The furnace refines the pill and the furnace smokes."] * 9
LATER = [
    "models.words.objective={name: skipgram, unit_tokens: 64}",
    "models.words.architecture={name: bag, width: 16, tied: true}",
    "models.words.training={budget: 6 steps, batch_tokens: 64, validations: 1, validation_tokens: 64}",
    "models.later={objective: causal, embeddings: words}",
    "models.later.architecture={name: transformer, layers: 1, width: 16, heads: 2, context: 16}",
    "models.later.training={budget: 6 steps, batch_tokens: 64, validations: 3, validation_tokens: 64}",
]


def network(tokenizer, width=8, seed=0):
    bag = architectures.validate({"name": "bag", "width": width, "tied": True})
    return build_network(objectives.validate("skipgram"), bag, tokenizer.vocabulary.size, seed)


def test_tokens_are_matched_by_text_and_special_ones_by_role():
    bpe, word = ByteBPE(size=300).train(TEXTS), Word().train(TEXTS)
    found = match_tokens(bpe, word)
    by_name = {bpe.token(i): found[i] for i in range(bpe.vocabulary.size)}
    assert word.token(by_name[" furnace"]) == "furnace"
    assert word.token(by_name["."]) == "."
    assert by_name["Q"] == -1
    assert found[bpe.vocabulary.mask] == word.vocabulary.mask
    pieces = WordPiece(size=60).train(TEXTS)
    assert word.token(match_tokens(pieces, word)[pieces.encode("the")[0]]) == "the"
    assert np.array_equal(match_tokens(bpe, ByteBPE(size=300).train(TEXTS)), np.arange(bpe.vocabulary.size))


def test_embedding_directions_are_copied_and_the_scale_kept():
    bpe, word = ByteBPE(size=300).train(TEXTS), Word().train(TEXTS)
    model, donor = network(bpe), network(word, seed=1)
    with torch.no_grad():
        donor.embeddings["token"].weight *= 50
    before = model.embeddings["token"].weight.detach().clone()
    facts = transfer_embeddings(model, bpe, donor, word, "here")
    after, at = model.embeddings["token"].weight.detach(), torch.from_numpy(match_tokens(bpe, word))
    is_matched = at >= 0
    assert facts == {"matched": int(is_matched.sum()), "tokens": len(at), "scale": pytest.approx(1 / 50, rel=0.3)}
    assert torch.equal(after[~is_matched], before[~is_matched])
    torch.testing.assert_close(
        after[is_matched], facts["scale"] * donor.embeddings["token"].weight.detach()[at[is_matched]]
    )
    assert float(after[is_matched].square().mean()) == pytest.approx(
        float(before[is_matched].square().mean()), rel=1e-5
    )


def test_incompatible_embeddings_are_refused_in_one_line():
    bpe, word = ByteBPE(size=300).train(TEXTS), Word().train(TEXTS)
    with pytest.raises(WrongInput, match="here has embeddings 4 wide, this model 8"):
        transfer_embeddings(network(bpe), bpe, network(word, width=4), word, "here")
    donor = network(word)
    torch.nn.init.zeros_(donor.embeddings["token"].weight)
    with pytest.raises(WrongInput, match="here has embeddings that are all zero"):
        transfer_embeddings(network(bpe), bpe, donor, word, "here")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("small2", "'small2' is neither an earlier model nor a folder; did you mean"),
        ("later", "'later' is neither an earlier model nor a folder"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_an_earlier_model_is_refused(given, line, tmp_path):
    with pytest.raises(WrongInput) as refused:
        danlu.run(write_tiny_recipe(tmp_path), [*LATER, f"models.later.embeddings={given}"], out=tmp_path / "run")
    assert line in str(refused.value)


def test_another_width_is_refused_before_any_work(tmp_path):
    with pytest.raises(WrongInput, match="the embeddings of words have width 12, those of later 16; set the same"):
        danlu.run(write_tiny_recipe(tmp_path), [*LATER, "models.words.architecture.width=12"], out=tmp_path / "run")
    narrow = "models.later.architecture.embedding_width=12"
    with pytest.raises(WrongInput, match="the embeddings of words have width 16, those of later 12; set the same"):
        danlu.run(write_tiny_recipe(tmp_path), [*LATER, narrow], out=tmp_path / "run")


def test_embeddings_narrower_than_the_hidden_states_are_accepted(tmp_path):
    """The widths of the embeddings must agree, which may differ from the hidden size."""
    both = ["models.words.architecture.width=12", "models.later.architecture.embedding_width=12"]
    facts = danlu.run(write_tiny_recipe(tmp_path), [*LATER, *both], out=tmp_path / "run")["pretrain"][-1]["embeddings"]
    assert facts["matched"] == facts["tokens"]


def weights(folder, name):
    return load_model(folder / "model" / name)[0].state_dict()


@pytest.mark.slow
def test_a_stopped_run_with_transferred_embeddings_resumes_bit_for_bit(tmp_path):
    recipe, given = write_tiny_recipe(tmp_path), LATER
    straight = danlu.run(recipe, given, out=tmp_path / "straight")
    facts = straight["pretrain"][-1]["embeddings"]
    assert facts["from"] == "words"
    assert facts["matched"] == facts["tokens"]
    without = danlu.run(recipe, [o.replace(", embeddings: words", "") for o in given], out=tmp_path / "without")
    assert "embeddings" not in without["pretrain"][-1]
    steps = []
    with pytest.raises(Stopped):
        danlu.run(
            recipe, given, out=tmp_path / "stopped",
            watch=lambda record, plan: steps.append((record["stage"], record["step"])),
            stop=lambda: steps[-1] == ("pretrain/later", 3),
        )  # fmt: skip
    danlu.run(recipe, given, out=tmp_path / "stopped")
    one, two, other = (weights(tmp_path / name, "later") for name in ("straight", "stopped", "without"))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not torch.equal(one["embeddings.token.weight"], other["embeddings.token.weight"])


def test_a_folder_with_another_tokenizer_is_accepted_and_a_changed_one_refused(tmp_path):
    word = Word().train(TEXTS)
    bag = architectures.validate({"name": "bag", "width": 16, "tied": True})
    donor = network(word, width=16)
    save_native(donor, word, tmp_path / "donor", donor.objective, bag)
    recipe = write_tiny_recipe(tmp_path)
    given = [f"models.small.embeddings={tmp_path / 'donor'}"]
    facts = danlu.run(recipe, given, out=tmp_path / "run")["pretrain"][0]["embeddings"]
    assert 0 < facts["matched"] < facts["tokens"]
    with pytest.raises(Stopped):
        danlu.run(recipe, given, out=tmp_path / "other", stop=lambda: True)
    with torch.no_grad():
        donor.embeddings["token"].weight *= 3
    save_native(donor, word, tmp_path / "donor", donor.objective, bag)
    shutil.rmtree(tmp_path / "other" / "checkpoints")  # as if the run had been killed before its first checkpoint
    with pytest.raises(WrongInput, match=r"^models.small.embeddings: .* changed since the run in .*: scale was "):
        danlu.run(recipe, given, out=tmp_path / "other")
