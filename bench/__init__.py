"""Speed and early quality beside what people have: `python -m bench`, or `make bench` (bench/README.md)."""
