"""Shared by objectives over sentences and texts: sentence spans, text pairs, contrastive groups, detection figures."""
