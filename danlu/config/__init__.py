"""Recipes: their schema, loading and error messages, drafting and comparison."""
