"""What stops `pumice dev` from starting; the message says what to do."""

from pumice.errors import PumiceError


class DevError(PumiceError):
    """`pumice dev` can't start."""
