"""The lines about a text and its drafted recipe in the language of the console."""

from __future__ import annotations

from danlu.config.wording import ENGLISH, Wording
from danlu.console.language import catalogue, current, message, named, translated


class Chinese(Wording):
    """The wording of `messages/draft.zh.toml`."""

    def line(self, key: str, **values: object) -> str:
        return catalogue("zh", "draft")[key].format(**values)

    def layout(self, name: str) -> str:
        return named("layout", name)

    def script(self, name: str) -> str:
        return named("script", name)

    def reason(self, text: str) -> str:
        return translated("reason", text)

    def size(self, text: str) -> str:
        return translated("size", text)


def wording() -> Wording:
    """Return the wording of the current language."""
    return ENGLISH if current() == "en" else Chinese()


def layout_text(layout: str) -> str:
    """Return how a corpus is divided into documents, such as `topic and module`."""
    return message("list.and").join(named("layout", word) for word in layout.split(" and "))
