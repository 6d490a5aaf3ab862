"""Fine-tuning tasks. The imports below register them."""

from danlu.tasks import classification, text_classifier

__all__ = ["classification", "text_classifier"]

DEFAULT = "classify"
"""The default task of `danlu finetune`."""
