"""The report: one HTML page from a run directory. No number is computed here."""

from danlu.report.page import write_report

__all__ = ["write_report"]
