"""What points are marked with, so that it can be told which code left them."""

import sys
from hashlib import blake2b
from pathlib import Path

SIZE = 6


def code_version(cls: type) -> str:
    """A digest of the source file that the class is written in, as 12 hexadecimal digits; empty where there is none."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    try:
        return blake2b(Path(file).read_bytes(), digest_size=SIZE).hexdigest() if file else ""
    except OSError:
        return ""
