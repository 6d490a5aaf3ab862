"""Evaluation of trained models and baselines, and text generation."""
