import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Every test has its own cache folder."""
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
