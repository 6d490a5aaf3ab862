"""Code shared by word vector objectives: word counts and windows, co-occurrence counts, similarity and neighbours."""
