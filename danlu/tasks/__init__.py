"""Fine-tuning: objectives whose units are rows of a table. One import line registers a task."""

from danlu.tasks import classify

__all__ = ["classify"]
