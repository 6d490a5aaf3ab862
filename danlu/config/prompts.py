"""Prompts taken from a text: the first words of held-out documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from danlu.text.scripts import script_shares

NUM_WORDS, NUM_IDEOGRAPHS = 4, 8  # length of a prompt
MAX_PROMPT_LENGTH = 40
"""In characters; a longer beginning, such as one endless word, is no prompt."""

MIN_SCRIPT_SHARE = 0.2
"""A script with at least this share of the letters gets prompts."""


def extract_prompt(text: str) -> tuple[str, str] | None:
    """Return (script, first words of the first line with letters).

    None if there is no such line, or the rest of the text would be shorter than the prompt.
    """
    line = next((line for line in (" ".join(line.split()) for line in text.splitlines()) if script_shares([line])), "")
    if not line:
        return None
    script = next(iter(script_shares([line])))
    prompt = line[:NUM_IDEOGRAPHS] if script == "Han" else " ".join(line.split(" ")[:NUM_WORDS])
    return (script, prompt) if len(prompt) <= MAX_PROMPT_LENGTH and len(text) >= 2 * len(prompt) else None


def choose_prompts(texts: Iterable[str], shares: dict[str, float], count: int = 3) -> list[str]:
    """Return `count` different prompts, divided evenly among the scripts of the texts.

    Args:
        shares: share of letters of each script.
    """
    scripts = [script for script, share in shares.items() if share >= MIN_SCRIPT_SHARE][:count]
    per_script = -(-count // max(1, len(scripts)))
    prompts: list[str] = []
    taken: Counter[str] = Counter()
    for text in texts:
        extracted = extract_prompt(text)
        if extracted is not None:
            script, prompt = extracted
            if script in scripts and taken[script] < per_script and prompt not in prompts:
                taken[script] += 1
                prompts.append(prompt)
        if len(taken) == len(scripts) and min(taken.values(), default=0) == per_script:
            break
    return prompts
