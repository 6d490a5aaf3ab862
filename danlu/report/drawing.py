"""Inline SVG from matplotlib figures, with colours as CSS variables and texts in every language.

matplotlib draws with placeholder colours and placeholder texts such as `@0@`; both are replaced in its output.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

from danlu.errors import WrongInput
from danlu.report.phrases import LANGUAGES, Text, in_language

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placeholder colours, replaced by the variables of page.css; any unused colours would do.
OURS, CONTROL, SECOND = "#010101", "#020202", "#030303"
INK, MUTED, RULE, GROUND = "#040404", "#050505", "#060606", "#070707"
VARIABLES = {
    OURS: "ours",
    CONTROL: "control",
    SECOND: "second",
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    GROUND: "ground",
}
TEXT_SIZE = 12

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "danlu",
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.linewidth": 1.0,
    "axes.unicode_minus": True,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": RULE,
    "grid.linewidth": 1.0,
}


@dataclass
class Drawing:
    """A figure measured in CSS pixels, and the texts behind its placeholders."""

    figure: Figure
    width: int
    height: int
    texts: list[Text] = field(default_factory=list)

    def axes(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Add axes without a frame, with margins in pixels."""
        width, height = self.width, self.height
        box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
        axes = self.figure.add_axes(box)
        axes.spines[:].set_visible(False)
        return axes

    def add_text(self, axes: Axes, x: float, y: float, text: Text, **look: Any) -> None:
        """Draw a text at a position of the axes."""
        axes.text(x, y, self.placeholder(text), clip_on=False, **look)

    def placeholder(self, text: Text) -> str:
        """Return the placeholder that matplotlib draws for a text."""
        self.texts.append(text)
        return f"@{len(self.texts) - 1}@"


@contextmanager
def drawing(width: int, height: int) -> Iterator[Drawing]:
    """Return a context with an empty Drawing, to be filled and passed to `svg` within it."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise WrongInput("the report's plots need matplotlib; install it with: pip install 'danlu[report]'") from None
    with rc_context(STYLE):
        # At 72 dots per inch, one point of the SVG is one pixel of the page.
        yield Drawing(Figure(figsize=(width / 72, height / 72), dpi=72), width, height)


def svg(drawn: Drawing, name: str, css_class: str) -> Markup:
    """Return the drawing as inline markup.

    `name` must be unique on the page; `name`-caption is the id of the description.
    """
    written = io.StringIO()
    drawn.figure.savefig(written, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(written.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if local_name(child.tag) in ("metadata", "style"):  # its style sheet would apply to the whole page
                parent.remove(child)
    remove_namespaces(root)
    prefix_ids(root, name)
    for element in root.iter():
        if "style" in element.attrib:
            element.set("style", convert_style(element.attrib["style"]))
        if element.tag == "text":
            insert_texts(element, drawn.texts)
    root.attrib.clear()
    root.attrib.update(
        {
            "class": css_class,
            "viewBox": f"0 0 {drawn.width} {drawn.height}",
            "width": str(drawn.width),
            "height": str(drawn.height),
            "role": "img",
            "aria-labelledby": f"{name.rsplit('--', 1)[0]}-caption",
        }
    )
    return Markup(re.sub(r"\s*\n\s*", " ", ElementTree.tostring(root, encoding="unicode")))


def local_name(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def remove_namespaces(root: ElementTree.Element) -> None:
    """Remove namespaces, which SVG inside HTML does not need."""
    for element in root.iter():
        element.tag = local_name(element.tag)
        for key in [key for key in element.attrib if key.startswith("{")]:
            element.set(local_name(key), element.attrib.pop(key))


def prefix_ids(root: ElementTree.Element, name: str) -> None:
    """Prefix referenced ids with the name of the drawing, so that they are unique on the page; remove all others."""
    used = set(re.findall(r"#([\w.-]+)", " ".join(value for e in root.iter() for value in e.attrib.values())))
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.set("id", f"{name}-{own}")
        for key in ("href", "clip-path"):
            if key in element.attrib:
                element.set(key, re.sub(r"#([\w.-]+)", rf"#{name}-\1", element.attrib[key]))


def convert_style(style: str) -> str:
    """Replace placeholder colours with CSS variables and remove fonts."""
    for colour, variable in VARIABLES.items():
        style = style.replace(colour, f"var(--{variable})")
    return re.sub(r"font-family:[^;]*;?\s*", "", style)


def insert_texts(element: ElementTree.Element, texts: list[Text]) -> None:
    """Replace a placeholder with its text in every language."""
    found = re.fullmatch(r"@(\d+)@", element.text or "")
    if not found:
        return
    text = texts[int(found.group(1))]
    if isinstance(text, str):
        element.text = text
        return
    element.text = None
    for language in LANGUAGES:
        part = ElementTree.SubElement(element, "tspan", {"class": "w", "lang": language})
        part.text = in_language(text, language)
