"""`python -m app.cli`, for an installation without scripts."""

from app.cli import main

main()
