"""objectives/masked_tokens"""
