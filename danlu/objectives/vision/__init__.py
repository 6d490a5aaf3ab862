"""objectives/vision"""
