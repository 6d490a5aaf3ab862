"""`builtin:pydocs`: the documentation that is installed with Python.

The documents are the help topics of `pydoc` (`pydoc_data/topics.py`) and the docstrings of the standard library.
Sources are parsed with `ast` and never imported, because importing has side effects (antigravity opens a browser).
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import platform
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from danlu.errors import WrongInput
from danlu.text.documents import Document, Rejected
from danlu.text.source import Source

SKIPPED = frozenset({"test", "tests", "idle_test", "turtledemo", "pydoc_data", "__pycache__", "__phello__"})
"""Folders without documentation, such as tests and example programs."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Docstring:
    """A docstring of the standard library and its location."""

    module: str
    qualname: str
    """Dotted name in the module; empty for the module itself."""
    text: str
    """Without indentation."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A class, function or method: its heading and its docstring, which is empty if only its members have one."""

    qualname: str
    heading: str
    text: str


def library() -> Path:
    """Return the folder of the sources of the standard library."""
    path = Path(sysconfig.get_path("stdlib"))
    if not (path / "pydoc_data" / "topics.py").is_file():
        raise WrongInput(f"builtin:pydocs: {path} has no pydoc_data/topics.py; use a Python installed with its sources")
    return path


def module_files(root: Path) -> list[tuple[str, Path]]:
    """Return (dotted name, file) of every module below `root` that is not skipped, sorted by name."""
    found = []
    for folder, subfolders, files in os.walk(root):
        # site-packages, lib-dynload and config-3.x are not identifiers, so not packages
        subfolders[:] = [s for s in subfolders if s.isidentifier() and s not in SKIPPED]
        package = Path(folder).relative_to(root).parts
        for file in files:
            stem, suffix = os.path.splitext(file)
            # _sysconfigdata_* holds the paths of one build, not documentation
            if suffix == ".py" and stem.isidentifier() and not stem.startswith("_sysconfigdata"):
                name = ".".join(package if stem == "__init__" else (*package, stem))
                found.append((name, Path(folder, file)))
    return sorted(found)


def _parse(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escape sequences in the standard library do not concern the user
        return ast.parse(path.read_bytes(), str(path))


def topics(root: Path) -> dict[str, str]:
    """Return {topic: text} of `pydoc_data/topics.py`, sorted by topic."""
    for node in _parse(root / "pydoc_data" / "topics.py").body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(t, ast.Name) and t.id == "topics" for t in targets):
            return dict(sorted(ast.literal_eval(node.value).items()))  # pyright: ignore
    raise WrongInput(f"builtin:pydocs: {root / 'pydoc_data' / 'topics.py'} assigns no `topics`; use another Python")


def signature(node: ast.ClassDef | FunctionNode) -> str:
    """Return the heading: `class Name(bases)` or `def name(arguments) -> type`."""
    if isinstance(node, ast.ClassDef):
        bases = [ast.unparse(b) for b in node.bases] + [
            f"{k.arg}={ast.unparse(k.value)}" for k in node.keywords if k.arg
        ]
        return f"class {node.name}({', '.join(bases)})" if bases else f"class {node.name}"
    keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{keyword} {node.name}({ast.unparse(node.args)}){returns}"


def _docstring(node: ast.Module | ast.ClassDef | FunctionNode) -> str:
    return inspect.cleandoc(ast.get_docstring(node, clean=False) or "").strip()


def entries(body: list[ast.stmt], prefix: str = "") -> Iterator[Entry]:
    """Yield classes, functions and methods in source order, including those under `if`, `try` and `with`.

    Definitions inside functions are not documentation and are skipped.
    """
    for node in body:
        if isinstance(node, FunctionNode):
            if text := _docstring(node):
                yield Entry(prefix + node.name, signature(node), text)
        elif isinstance(node, ast.ClassDef):
            inside = list(entries(node.body, f"{prefix}{node.name}."))
            text = _docstring(node)
            if text or inside:
                yield Entry(prefix + node.name, signature(node), text)
            yield from inside
        else:
            for block in ("body", "handlers", "orelse", "finalbody"):  # statements have some of these or none
                yield from entries(vars(node).get(block, []), prefix)


def module_document(tree: ast.Module) -> str:
    """Return the text of a module in the order of `pydoc`; empty if it has no docstring."""
    parts = [_docstring(tree)]
    parts += [f"{e.heading}\n{e.text}" if e.text else e.heading for e in entries(tree.body)]
    return "\n\n".join(p for p in parts if p)


def documents() -> Iterator[Document | Rejected]:
    """Yield one document per topic, then one per module with docstrings, sorted by name."""
    root = library()
    for topic, text in topics(root).items():
        yield Document(text.strip(), f"topic {topic}")
    for module, path in module_files(root):
        try:
            text = module_document(_parse(path))
        except SyntaxError as error:
            yield Rejected("not Python", module, f"line {error.lineno}")
            continue
        if text:
            yield Document(text, module)


def docstrings() -> Iterator[Docstring]:
    """Yield every docstring of the standard library, sorted by module, then in source order."""
    for module, path in module_files(library()):
        try:
            tree = _parse(path)
        except SyntaxError:
            continue  # rejected by `documents`
        if text := _docstring(tree):
            yield Docstring(module, "", text)
        for entry in entries(tree.body):
            if entry.text:
                yield Docstring(module, entry.qualname, entry.text)


class Pydocs(Source):
    """The source `builtin:pydocs` of a corpus."""

    def identity(self) -> dict[str, str]:
        """Return the Python version and a hash of all source files, which determine the documents."""
        root, digest = library(), hashlib.sha256()
        for name, path in [("topics", root / "pydoc_data" / "topics.py"), *module_files(root)]:
            digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
        return {"source": "builtin:pydocs", "python": platform.python_version(), "sha256": digest.hexdigest()}

    def layout(self) -> str:
        return "topic and module"

    def documents(self) -> Iterator[Document | Rejected]:
        return documents()
