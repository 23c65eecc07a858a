"""`python -m mindrec_bench` is the command line."""

from .cli.main import main

main()
