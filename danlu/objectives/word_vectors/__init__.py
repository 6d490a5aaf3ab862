"""objectives/word_vectors"""
