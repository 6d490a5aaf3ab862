"""next_sentence with masked tokens and BERT's classifier is a BertForPreTraining, in both directions."""

import pytest
import torch

from danlu.architectures.presets import family_for
from danlu.architectures.transformer import Transformer
from danlu.batch import Seq, full_order
from danlu.interop import NotExported, check_export, export, load_model
from danlu.interop.quiet_transformers import quiet_transformers
from danlu.objectives.next_sentence import NextSentence
from danlu.packing import pack
from danlu.registry import architectures

TOLERANCE = 1e-5
PAIR = ("The furnace number 7 refines the pill;", "the smoke rises over the hills.")


def frame_texts(tokenizer, first, second):
    """[bos] A [eos] B [eos] and its segments."""
    a, b, v = tokenizer.encode(first), tokenizer.encode(second), tokenizer.vocabulary
    return [v.bos, *a, v.eos, *b, v.eos], [0] * (len(a) + 2) + [1] * (len(b) + 1)


def own_logits(network, ids, segments):
    """danlu's logits of one pair: of all tokens, and of (random, next)."""
    inputs = {"token": torch.tensor(ids).numpy(), "segment": torch.tensor(segments).numpy()}
    seq = Seq(inputs, full_order(len(ids)), labels={"masked": torch.full((len(ids),), -1).numpy()})
    seq.sequence_labels["next"] = 1
    text = pack([{"text": [seq]}], network.objective.streams)["text"]
    hidden = network.hidden(text)
    at = torch.tensor([0])
    classes = network.head["pair"](*network.objective.sides(hidden, text, at))[0]
    return network.objective.blank_logits(network, network.head, hidden), classes


def assert_equal_logits(network, tokenizer, theirs, **given):
    ids, segments = frame_texts(tokenizer, *PAIR)
    with torch.no_grad():
        made = theirs(**given)
        tokens, (random, follows) = own_logits(network, ids, segments)
    assert (made.prediction_logits[0] - tokens).abs().max() <= TOLERANCE
    # BERT's class 0 is "is next", class 1 is "is random"; danlu's are the other way round
    assert (made.seq_relationship_logits[0] - torch.stack([follows, random])).abs().max() <= TOLERANCE
    assert (follows - random).abs() > 100 * TOLERANCE  # a swapped order would fail


def test_an_export_computes_both_logits_of_a_pair(make, tokenizer, tmp_path):
    network, objective, architecture = make("bert_pretraining")
    made = export(network, tokenizer, tmp_path / "m", objective, architecture)
    assert made.class_name == "BertForPreTraining"
    assert check_export(network, tokenizer, tmp_path / "m", PAIR) <= TOLERANCE
    with quiet_transformers() as transformers:
        theirs = transformers.BertForPreTraining.from_pretrained(tmp_path / "m").eval()
        auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
        given = auto(*PAIR, return_tensors="pt")
    assert (given["input_ids"][0].tolist(), given["token_type_ids"][0].tolist()) == frame_texts(tokenizer, *PAIR)
    assert_equal_logits(network, tokenizer, theirs, **given)
    again, _ = load_model(tmp_path / "m")
    assert again.objective == objective
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())


def test_a_folder_saved_by_transformers_is_loaded(tokenizer, tmp_path):
    with quiet_transformers() as transformers:
        torch.manual_seed(4)
        config = transformers.BertConfig(
            vocab_size=tokenizer.vocabulary.size, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
            num_attention_heads=3, max_position_embeddings=64, pad_token_id=tokenizer.vocabulary.pad,
        )  # fmt: skip
        theirs = transformers.BertForPreTraining(config).eval()
        with torch.no_grad():
            for p in theirs.parameters():
                p += 0.2 * torch.randn_like(p)
        theirs.save_pretrained(tmp_path / "m")
    tokenizer.save(tmp_path / "m")
    network, its = load_model(tmp_path / "m")
    assert network.objective == NextSentence(classifier="first_token")
    ids, segments = frame_texts(its, *PAIR)
    assert_equal_logits(network, its, theirs, input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([segments]))


@pytest.mark.parametrize("settings", [{}, {"classifier": "first_token", "masked": False}, {"form": "apart"}])
def test_other_settings_have_no_transformers_class(settings, tokenizer, make, tmp_path):
    objective = NextSentence.model_validate(settings)
    assert objective.hf_head is None
    network, _, architecture = make("bert", objective)
    found = export(network, tokenizer, tmp_path / "m", objective, architecture)
    assert isinstance(found, NotExported)
    assert "{name: next_sentence, classifier: first_token, masked: true}" in found.reason


def test_the_reason_names_the_setting_to_change():
    objective = NextSentence(classifier="first_token")
    assert family_for(architectures.validate("bert"), objective).class_name == "BertForPreTraining"
    assert family_for(Transformer(), objective).reason == "BertForPreTraining: set norm: layer (currently rms)"
