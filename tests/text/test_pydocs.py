"""The built-in corpus is read from sources, never by importing."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap

import pytest

from danlu.text import pydocs
from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.documents import Document

MODULE = '''
"""What it is.

    indented
the end
"""
import os
class Plain(Base, metaclass=Meta):
    def silent(self): pass
    async def spoken(self, *args, key: int = 3) -> str:
        """Speaks."""
        def local():
            """Not documentation."""
if os.name == "nt":
    def branch(): "In a branch."
else:
    try:
        def branch(x): "In the other."
    except OSError: pass
class Empty: pass
'''


def test_a_module_is_rendered_like_pydoc():
    text = textwrap.dedent("""\
        What it is.

            indented
        the end

        class Plain(Base, metaclass=Meta)

        async def spoken(self, *args, key: int=3) -> str
        Speaks.

        def branch()
        In a branch.

        def branch(x)
        In the other.""")
    assert pydocs.module_document(ast.parse(MODULE)) == text
    assert pydocs.module_document(ast.parse("x = 1\ndef f(): pass")) == ""


def test_modules_are_found_without_tests_and_site_packages(tmp_path):
    for name in ("a.py", "p/__init__.py", "p/m.py", "p/test/t.py", "site-packages/s.py", "lib-dynload/d.py", "no.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [name for name, _ in pydocs.module_files(tmp_path)] == ["a", "p", "p.m"]


@pytest.mark.slow
def test_nothing_is_imported_and_results_are_reproducible():
    code = (
        "import sys, hashlib; from danlu.text import pydocs; before = set(sys.modules); h = hashlib.sha256()\n"
        "for d in pydocs.documents(): h.update((d.name + d.text).encode())\n"
        "new = set(sys.modules) - before\n"
        "print(sorted(m for m in new if m in ('this', 'antigravity', 'turtle')), h.hexdigest())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "ab"
    ]
    assert runs[0] == runs[1]
    assert runs[0].startswith("[] ")


@pytest.mark.slow
def test_corpus_of_the_installed_python():
    corpus = build_corpus(CorpusSettings(source="builtin:pydocs"))
    facts = corpus.facts
    assert facts["documents"]["kept"] > 400
    assert sum(s["bytes"] for s in facts["splits"].values()) > 1_500_000
    assert facts["layout"] == "topic and module"
    names = {d.name for d in corpus.documents("train")}
    assert any(n.startswith("topic ") for n in names)
    assert not any("test" in n.split(".") for n in names)


def test_docstrings_are_listed_by_module_and_name():
    found = {(d.module, d.qualname): d.text for d in pydocs.docstrings()}
    assert found["json.decoder", "JSONDecoder.decode"].startswith("Return the Python representation")
    assert found["json.decoder", ""] == "Implementation of JSONDecoder"
    assert len({module.split(".")[0] for module, _ in found}) > 100


def test_a_python_without_sources_is_refused(tmp_path, monkeypatch):
    from danlu.errors import WrongInput

    monkeypatch.setattr(pydocs.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(WrongInput, match=r"no pydoc_data/topics\.py; use a Python"):
        pydocs.library()


def test_a_module_that_does_not_parse_is_rejected_individually(tmp_path, monkeypatch):
    (tmp_path / "pydoc_data").mkdir()
    (tmp_path / "pydoc_data" / "topics.py").write_text("topics = {'b': 'B\\n', 'a': 'A'}")
    (tmp_path / "bad.py").write_text("print 'old'")
    (tmp_path / "good.py").write_text("'Good.'")
    monkeypatch.setattr(pydocs, "library", lambda: tmp_path)
    found = list(pydocs.documents())
    assert [type(d) is Document for d in found] == [True, True, False, True]
    assert [d.name for d in found] == ["topic a", "topic b", "bad", "good"]
    assert [d.text for d in pydocs.docstrings()] == ["Good."]
