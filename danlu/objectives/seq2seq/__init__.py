"""objectives/seq2seq"""
