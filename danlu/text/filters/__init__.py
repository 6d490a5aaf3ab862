"""Filters that `clean` in a recipe can name: one module each, registered by its import here."""

from danlu.text.filters import chinese_script as chinese_script
from danlu.text.filters import language as language
from danlu.text.filters import length as length
from danlu.text.filters import mojibake as mojibake
from danlu.text.filters import repetition as repetition
from danlu.text.filters import spaces as spaces
from danlu.text.filters import width as width
