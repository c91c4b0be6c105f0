"""What stops `pumice dev` from starting; the message says what to do."""

from app.errors import PumiceError


class DevError(PumiceError):
    """`pumice dev` can't start."""
