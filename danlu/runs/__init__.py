"""The steps of a run, each durable and skipped when done."""
