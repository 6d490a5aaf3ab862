import pytest
import torch

from danlu.architectures import build_network
from danlu.architectures.presets import FAMILIES
from danlu.architectures.transformer import Transformer
from danlu.objectives.causal import Causal
from danlu.objectives.denoising import Denoising
from danlu.objectives.masked import Masked
from danlu.objectives.next_sentence import NextSentence
from danlu.objectives.replaced import Replaced
from danlu.objectives.spans import Spans
from danlu.registry import architectures

TEXTS = [
    "The furnace number 7 refines the pill; the smoke rises over the hills.",
    "第七炉丹药要慢火烧，急了就坏了。",
    "a <mask> and a </s> are text here\n\n",
    "",
]

TRAINED = (
    Causal(),
    Masked(),
    NextSentence(classifier="first_token"),
    Replaced(generator=None),
    Spans(sentinels=9),
    Denoising(),
)
OBJECTIVES = {objective.hf_head: objective for objective in TRAINED}

ODD = {"layers": 2, "width": 24, "heads": 3, "ffn_dim": 40, "context": 48}


@pytest.fixture(scope="session")
def texts():
    return TEXTS


@pytest.fixture(scope="session")
def tokenizer():
    from danlu.tokens.kinds.byte_bpe import ByteBPE

    return ByteBPE(size=331).train([text * 3 for text in TEXTS if text]).with_sentinels(9)


SHAPED = {"ministral": {"name": "llama", "window": 5, "global_every": 2}}
"""Families without a preset."""

NOISE = {"t5": 0.1}
"""With unscaled scores large weights give sharp softmaxes, which amplify float32 rounding errors."""


def perturbed(network, seed=1, noise=0.3):
    """Add noise to every weight; weights that start at zero or one would hide a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p += noise * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return network.eval()


@pytest.fixture
def make(tokenizer):
    """Return a function that builds (network, objective, architecture) of a family, optionally with settings and
    another objective."""

    def made(family, objective=None, **settings):
        kind = next(f for f in FAMILIES if f.name == family)
        objective = objective or OBJECTIVES[kind.head]
        chosen = architectures.validate(SHAPED.get(family, {"name": kind.model_type}) | ODD | settings)
        architecture = Transformer(**chosen.model_dump(exclude={"name"}))
        size = tokenizer.vocabulary.size
        network = perturbed(build_network(objective, architecture, size, 0), noise=NOISE.get(family, 0.3))
        return network, objective, architecture

    return made
