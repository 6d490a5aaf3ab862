"""`python -m danlu`."""

from danlu.commands import main

main()
