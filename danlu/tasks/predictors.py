"""What a fine-tuned model answers, kept with its weights; each kind is registered by the task that it comes from.

A head is settings with `objective()`, whose parts hold its weights, and with `answer(model, tokenizer, texts)`.
"""

from danlu.registry import Registry

heads = Registry("head")
