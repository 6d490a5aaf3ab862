"""Help in Chinese: a text for every command and option, that says what the English one says, laid out in columns."""

from __future__ import annotations

import importlib
import re

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.commands.help import command_key
from danlu.commands.main import VERBS, danlu_command
from danlu.config.loading import find_recipe, shipped_recipes
from danlu.console.columns import NOT_FIRST, padded, width, wrapped
from danlu.console.language import catalogue

HAN = re.compile(r"[\u4e00-\u9fff]")
ENGLISH = re.compile(r"(?:\b[A-Za-z]?[a-z]+ ){2}[a-z]+\b")
"""Three English words in a row, which no Chinese line contains."""

FIXED = re.compile(r"--[a-z-]+|`[^`]+`|\b\d[\w.]*\b|\.[a-z]{3,}\b|[a-z_]+\.[a-z_.]+=|TF-IDF|DANLU_LANG|___", re.ASCII)
"""What is the same in both languages: options, code, amounts, endings of files, keys."""


def contexts():
    """Return a context of every command, of `danlu` itself first."""
    top = click.Context(danlu_command, info_name="danlu", help_option_names=["-h", "--help"])
    found = [top]
    for verb in VERBS:
        command = importlib.import_module(f"danlu.commands.{verb}").command
        context = click.Context(command, info_name=verb, parent=top)
        found.append(context)
        if isinstance(command, click.Group):
            found += [click.Context(below, info_name=name, parent=context) for name, below in command.commands.items()]
    return found


COMMANDS = {command_key(context): context for context in contexts()}


def options(context):
    return [p for p in context.command.get_params(context) if isinstance(p, click.Option) and "--help" not in p.opts]


@pytest.mark.parametrize("key", COMMANDS)
def test_every_help_text_has_a_chinese_twin(key):
    context, own = COMMANDS[key], catalogue("zh", "help")[key]
    below = {"short"} if context.parent and context.parent.parent else set()
    assert own.keys() == {"help", *below, *(option.name for option in options(context))}
    english = {"help": context.command.help, **{option.name: option.help for option in options(context)}}
    for name, text in english.items():
        assert HAN.search(own[name]), (key, name)
        same = [sorted(set(FIXED.findall(" ".join(version.split())))) for version in (text, own[name])]
        assert same[0] == same[1], (key, name)


def test_there_is_no_chinese_text_without_a_command():
    assert catalogue("zh", "help").keys() - {"frame", "types", "arguments", "verbs"} == set(COMMANDS)
    assert list(catalogue("zh", "help")["verbs"]) == list(VERBS)


def test_every_recipe_is_described_in_chinese(danlu_command):
    described = catalogue("zh", "recipes")
    assert list(described) == list(shipped_recipes())
    numbers = {"less than a minute": "不到一分钟", "two minutes": "约两分钟", "four minutes": "约四分钟"}
    for name, text in described.items():
        english = find_recipe(name)[0].splitlines()[0]
        assert HAN.search(text)
        assert all(chinese in text for words, chinese in numbers.items() if words in english), name
    code, out, err = danlu_command("recipes", "--lang", "zh")
    assert (code, err) == (0, [])
    assert not ENGLISH.search(out)
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == list(shipped_recipes())


@pytest.mark.parametrize("key", COMMANDS)
def test_help_is_in_chinese(danlu_command, key):
    words = [] if key == "danlu" else key.split()
    code, out, err = danlu_command("--lang", "zh", *words, "--help")
    assert (code, err) == (0, [])
    assert out.startswith("用法：")
    assert not ENGLISH.search(out.partition("\n\n")[2]), out
    assert all(width(line) <= 80 for line in out.splitlines())
    usage, *sections = out.split("\n\n")
    assert "[选项]" in usage
    (shown,) = [section for section in sections if section.startswith("选项：")]
    rows = re.split(r"\n  (?=-)", shown)[1:]
    assert len(rows) == len(options(COMMANDS[key])) + 1
    assert all(HAN.search(re.split(r" {2,}|\n", row, maxsplit=1)[1]) for row in rows), rows
    assert not any(name in out for name in ("Usage", "Options", "default", "required", "TEXT", "PATH", "INTEGER"))


def test_the_option_may_stand_anywhere(danlu_command):
    asked = (["--lang", "zh", "show", "-h"], ["show", "--lang=zh", "-h"], ["show", "-h", "--lang", "zh"])
    assert len({danlu_command(*arguments)[1] for arguments in asked}) == 1
    assert danlu_command("show", "-h")[1].startswith("Usage: ")
    code, _, err = danlu_command("--lang")
    assert (code, err) == (2, ["danlu: Option '--lang' requires an argument."])
    code, _, err = danlu_command("recipes", "--", "--lang")
    assert (code, len(err)) == (2, 1)
    assert "--lang" in err[0]


@pytest.mark.parametrize("words", [[], ["corpus"]])
def test_without_a_command_help_is_printed_as_it_is(danlu_command, words, monkeypatch):
    for language in ("en", "zh"):
        monkeypatch.setenv("DANLU_LANG", language)
        code, out, err = danlu_command(*words)
        assert (code, out) == (2, "")
        assert err == danlu_command(*words, "--help")[1].splitlines()


@given(st.text(alphabet="中文字，。（）ab c-.`[]<\n"), st.integers(2, 30))
def test_lines_fit_and_keep_all_characters(text, columns):
    lines = wrapped(text, columns)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(width(line) <= columns for line in lines)


def test_no_line_begins_with_a_comma_or_cuts_a_word():
    text = "模型文件夹，或 `danlu finetune` 的输出目录；默认值 [默认值：0.8；x>=0]。"
    for columns in range(24, 60):
        lines = wrapped(text, columns)
        assert not any(line[0] in NOT_FIRST for line in lines)
        assert any("`danlu finetune`" in line for line in lines)
        assert any("[默认值：0.8；x>=0]。" in line for line in lines)
    assert (padded("丹炉", 6), padded("丹炉", 6, align_right=True), width("e\u0301")) == ("丹炉  ", "  丹炉", 1)
