"""`python -m pumice`: the `pumice` command, also where its script is not on the path."""

from pumice.cli import main

if __name__ == "__main__":
    main()
