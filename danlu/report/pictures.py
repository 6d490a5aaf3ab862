"""Small grey-level pictures drawn as squares: the inputs and outputs of models of image patches."""

from __future__ import annotations

import math

from markupsafe import Markup

from danlu.results import Picture

SIDE = 8
"""Side of a square, in pixels of the page."""


def grey_picture(picture: Picture) -> Markup:
    """Draw the rows of a picture as SVG: 0 is the background, 1 the text colour; missing values are tinted."""
    width = SIDE * max((len(row) for row in picture.rows), default=0)
    height = SIDE * len(picture.rows)
    squares = Markup("").join(
        square(x, y, level) for y, row in enumerate(picture.rows) for x, level in enumerate(row) if is_visible(level)
    )
    return Markup(
        '<svg class="grey" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
        'fill="var(--ink)">{}</svg>'
    ).format(picture.title, width, height, width, height, squares)


def is_visible(level: float | None) -> bool:
    return level is None or not math.isfinite(level) or level > 0.005


def square(x: int, y: int, level: float | None) -> Markup:
    place = Markup('x="{}" y="{}" width="{}" height="{}"').format(SIDE * x, SIDE * y, SIDE, SIDE)
    if level is None or not math.isfinite(level):
        return Markup('<rect {} class="hidden"/>').format(place)
    return Markup('<rect {} opacity="{:.2f}"/>').format(place, min(max(level, 0.0), 1.0))
