"""`python -m pumice.cli`, for an installation without scripts."""

from pumice.cli import main

main()
