"""Code shared by objectives that hide tokens: the choice of positions (by token, word or span), and pseudo-labels."""
