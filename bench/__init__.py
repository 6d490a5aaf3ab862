"""Speed and early quality compared with other libraries: `python -m bench`, or `make bench`."""
