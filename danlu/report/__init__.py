"""One page from a run directory; no number is computed here."""

from danlu.report.page import write_report

__all__ = ["write_report"]
