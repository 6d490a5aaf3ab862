"""Metrics: what tasks and objectives are scored by, and the intervals of their scores."""
