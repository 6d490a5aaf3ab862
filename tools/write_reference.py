"""Write docs/reference/ from the code: recipes, compatibility, commands, Python functions. Run by `make docs`."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import sys
import typing
from pathlib import Path
from typing import Any

import click
from reference_matrix import matrix_page

import danlu
from danlu.commands.main import VERBS, danlu_command
from danlu.config.schema import Recipe
from danlu.console import language
from danlu.registry import REGISTRIES, Registry, RegistryField
from danlu.settings import Settings

BAR = "\\|"
INTRODUCTION = """\
Every setting of a recipe, followed by the objectives, architectures and other components that a recipe chooses by name,
either as `objective: causal` or with settings, as `objective: {name: masked, rate: 0.3}`."""
NOTE = "<!-- Written by `make docs` from the code; edit the docstrings instead. -->\n"


def summary(thing: Any) -> str:
    """The docstring as paragraphs; a settings class without one of its own has none."""
    return inspect.cleandoc(thing.__doc__ or "").strip() if "__doc__" in vars(thing) or callable(thing) else ""


def type_name(annotation: Any) -> str:
    """A type as a reader of a recipe would put it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_name(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f"`{a}`" for a in arguments)
    if annotation is type(None):
        return "none"
    if origin in (list, tuple, dict):
        return f"{origin.__name__} of {', '.join(type_name(a) for a in arguments if a is not Ellipsis)}"
    if arguments:
        return " or ".join(dict.fromkeys(type_name(a) for a in arguments))
    return getattr(annotation, "__name__", str(annotation))


def default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Settings):
        return f"`{getattr(value, 'name', type(value).__name__)}`"
    return f"`{value}`" if value is not None else "none"


BOUNDS = {"Gt": "above", "Ge": "at least", "Lt": "below", "Le": "at most"}


def limits(field: Any) -> str:
    """The bounds of a number, in words."""
    kinds = [(type(m).__name__, m) for m in field.metadata]
    return ", ".join(f"{BOUNDS[kind]} {getattr(m, kind.lower())}" for kind, m in kinds if kind in BOUNDS)


def chosen_from(field: Any) -> str | None:
    """`an objective` for a field that holds one of the registered things."""
    for m in field.metadata:
        if isinstance(m, RegistryField):
            kind = m.registry.kind
            return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}, below"
    return None


def same_setting(a: Any, b: Any) -> bool:
    """Whether two fields have the same type and default."""
    return (a.annotation, a.default, a.metadata) == (b.annotation, b.default, b.metadata)


def table(cls: type[Settings], base: type[Settings] | None = None) -> list[str]:
    """The settings of a class as a table; with `base`, only those that differ from its settings."""
    rows = ["| key | type | default | |", "|---|---|---|---|"]
    for name, field in cls.model_fields.items():
        if name == "name" or (base and name in base.model_fields and same_setting(field, base.model_fields[name])):
            continue
        kind = chosen_from(field) or " ".join(filter(None, [type_name(field.annotation), limits(field)]))
        cells = [f"`{name}`", kind, default(field), " ".join((field.description or "").split())]
        rows.append(f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |")
    if base:
        chosen = base.model_fields["name"].default
        rest = f"{'All other' if len(rows) > 2 else 'All'} settings are those of `{chosen}`."
        return [*rows, "", rest] if len(rows) > 2 else [rest]
    return rows if len(rows) > 2 else ["No settings."]


def registered_base(kinds: Registry, cls: type[Settings]) -> type[Settings] | None:
    """The most general registered class that a registered class derives from, other than itself."""
    registered = [kinds[name] for name in kinds]
    return next((base for base in reversed(cls.__mro__) if base in registered and base is not cls), None)


def nested(cls: type[Settings], seen: dict[str, type[Settings]]) -> None:
    """Every settings class below `cls`, in the order in which a reader meets them."""
    for field in cls.model_fields.values():
        for part in (field.annotation, *typing.get_args(field.annotation)):
            if inspect.isclass(part) and issubclass(part, Settings) and part.__name__ not in seen:
                seen[part.__name__] = part
                nested(part, seen)


def recipe_page() -> str:
    parts = [NOTE, "# Recipe reference", "", INTRODUCTION, ""]
    sections: dict[str, type[Settings]] = {"Recipe": Recipe}
    nested(Recipe, sections)
    for name, cls in sections.items():
        parts += [f"## {name.removesuffix('Settings').removesuffix('Recipe') or 'The recipe'}", "", summary(cls), ""]
        parts += [*table(cls), ""]
    registered = {kinds[name].__name__: kinds[name] for kinds in REGISTRIES for name in kinds}
    for kinds in REGISTRIES:
        parts += [f"## Every {kinds.kind}", ""]
        for name in kinds:
            parts += [f"### {kinds.kind}: `{name}`", "", summary(kinds[name]), ""]
            parts += [*table(kinds[name], registered_base(kinds, kinds[name])), ""]
            below = registered | sections
            nested(kinds[name], below)
            for part in [part for part in below if part not in registered | sections]:
                sections[part] = below[part]
                parts += [f"#### {part}", "", summary(below[part]), "", *table(below[part]), ""]
    return "\n".join(parts)


def commands_page() -> str:
    parts = [NOTE, "# Commands", ""]
    for verb in VERBS:
        command = importlib.import_module(f"danlu.commands.{verb}").command
        parts += command_help(command, f"danlu {verb}")
    return "\n".join(parts)


def command_help(command: click.Command, name: str) -> list[str]:
    # the options of help as `danlu` itself has them: a command keeps those of the first context that it is shown in
    asked = danlu_command.context_settings["help_option_names"]
    context = click.Context(command, info_name=name, max_content_width=100, terminal_width=100, help_option_names=asked)
    parts = [f"## {name}", "", "```text", command.get_help(context), "```", ""]
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found:
                parts += command_help(found, f"{name} {below}")
    return parts


def python_page() -> str:
    parts = [NOTE, "# Python", "", inspect.cleandoc(danlu.__doc__ or ""), ""]
    for name in sorted(n for n in danlu.__all__ if not n.startswith("__")):
        parts += documented(f"danlu.{name}", getattr(danlu, name))
    return "\n".join(parts)


def signature(thing: Any) -> str:
    """Without the addresses that some defaults show and the quotes of postponed annotations."""
    shown = re.sub(r"<function .*? at 0x[0-9a-f]+>", "...", str(inspect.signature(thing)))
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", shown)


def documented(name: str, thing: Any) -> list[str]:
    """Signature and docstring of a function, of a class and of its public methods."""
    parts = [f"## {name}", ""]
    if inspect.isfunction(thing):
        parts += ["```python", f"{name}{signature(thing)}", "```", ""]
    parts += [summary(thing), ""]
    if inspect.isclass(thing):
        if dataclasses.is_dataclass(thing):
            parts += ["```python", f"{name}{signature(thing)}", "```", ""]
        for method, found in vars(thing).items():
            if inspect.isfunction(found) and not method.startswith("_"):
                parts += [f"### {name}.{method}", "", "```python", f"{method}{signature(found)}", "```", ""]
                parts += [summary(found), ""]
    return parts


PAGES = {
    "recipe.md": recipe_page,
    "matrix.md": lambda: f"{NOTE}\n{matrix_page()}",
    "commands.md": commands_page,
    "python.md": python_page,
}


def main(folder: str) -> None:
    language.choose(option="en")
    for name, page in PAGES.items():
        lines = (line.rstrip() for line in page().strip().split("\n"))
        Path(folder, name).write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
