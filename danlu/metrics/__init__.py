"""Metrics of tasks and objectives, and confidence intervals of scores."""
