"""The shipped recipes and their typed schema."""
