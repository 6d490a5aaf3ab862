"""Evaluation of models alongside baselines."""
