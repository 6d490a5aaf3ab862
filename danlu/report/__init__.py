"""One page from a run directory; no number is computed here."""
