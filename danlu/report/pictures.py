"""Small grey pictures, drawn as squares: what a model saw and what it made of it."""

from __future__ import annotations

import math

from markupsafe import Markup

from danlu.report.results import Picture

SIDE = 8
"""Of a square, in pixels of the page."""


def grey_picture(picture: Picture) -> Markup:
    """SVG of a picture's rows in the page's ink: 0 is the ground, 1 the ink; what is no number is left out."""
    width = SIDE * max((len(row) for row in picture.rows), default=0)
    height = SIDE * len(picture.rows)
    squares = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="{}" opacity="{:.2f}"/>').format(
            SIDE * x, SIDE * y, SIDE, SIDE, min(max(level, 0.0), 1.0)
        )
        for y, row in enumerate(picture.rows)
        for x, level in enumerate(row)
        if math.isfinite(level) and level > 0.005
    )
    return Markup(
        '<svg class="grey" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
        'fill="var(--ink)">{}</svg>'
    ).format(picture.title, width, height, width, height, squares)
