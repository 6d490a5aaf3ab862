"""Tasks that pre-trained models are fine-tuned for. One import line registers a task."""

from danlu.tasks import classification, text_classifier

__all__ = ["classification", "text_classifier"]

DEFAULT = "classify"
"""The task of `danlu finetune` where none is named."""
