"""A filter that repairs text decoded with the wrong encoding, with ftfy."""

from __future__ import annotations

from typing import ClassVar, Literal

from danlu.extras import import_optional
from danlu.registry import filters
from danlu.text.filters.filter import Clean, Filter


@filters.register
class Mojibake(Filter):
    """Repair text that was decoded with the wrong encoding: `cafÃ©` becomes `café`.

    Nothing else changes: full-width punctuation, curly quotes, ligatures and HTML entities stay as they are.
    """

    name: Literal["mojibake"] = "mojibake"
    libraries: ClassVar[tuple[str, ...]] = ("ftfy",)

    def build(self) -> Clean:
        ftfy = import_optional("ftfy", "clean", "the filter mojibake")
        config = ftfy.TextFixerConfig(
            unescape_html=False,
            remove_terminal_escapes=False,
            fix_latin_ligatures=False,
            fix_character_width=False,
            uncurl_quotes=False,
            fix_line_breaks=False,
            fix_surrogates=False,
            remove_control_chars=False,
            normalization=None,
            explain=False,
        )
        return lambda text: ftfy.fix_text(text, config)
