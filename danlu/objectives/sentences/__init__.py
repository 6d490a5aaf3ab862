"""objectives/sentences"""
