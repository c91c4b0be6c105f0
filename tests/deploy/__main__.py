"""Tries whole deploys, on servers from Debian's packages: `python -m tests.deploy [pytest's arguments]`.

`tests/deploy/install.sh` installs the packages; a test whose package is missing is skipped and says so.
"""

import sys
from pathlib import Path

import pytest

sys.exit(pytest.main([str(Path(__file__).parent), "-m", "deploy", "-rs", "-p", "no:cacheprovider", *sys.argv[1:]]))
