"""Code shared by objectives over sentences and texts: spans, text pairs, contrastive groups, detection figures."""
