import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Every test has its own cache folder."""
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


ENGLISH = "The furnace number {} refines the pill; the smoke rises over the hills, and nobody hurries it."
CHINESE = "第{}炉丹药要慢火烧，急了就坏了。山里的人说，等到云散的时候炉子自己会开。"


@pytest.fixture
def corpus(tmp_path):
    """80 documents in two languages, of different lengths."""
    from danlu.text.corpus import CorpusSettings, build_corpus

    source = tmp_path / "text.txt"
    lines = [(ENGLISH if i % 2 else CHINESE).format(i) * (1 + i % 4) for i in range(80)]
    source.write_text("\n".join(lines))
    return build_corpus(CorpusSettings(source=str(source), documents="line", validation=0.1, test=0.1))


@pytest.fixture(scope="session")
def tokenizer():
    from danlu.tokens.kinds.byte_bpe import ByteBPE

    return ByteBPE(size=400).train([ENGLISH.format(i) for i in range(9)] + [CHINESE.format(i) for i in range(9)])
