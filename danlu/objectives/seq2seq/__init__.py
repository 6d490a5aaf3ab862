"""Code shared by objectives with a decoder: pairs of sequences, greedy decoding, statistics of sentence codes."""
