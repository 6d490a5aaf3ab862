"""Fine-tuning: objectives whose units are rows of a table. One import line registers a task."""

from danlu.tasks import classify, text_classifier

__all__ = ["classify", "text_classifier"]
