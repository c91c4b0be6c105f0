"""When Python looks for cyclic garbage in a process that serves many at once."""

import gc

THRESHOLDS = 20_000, 20, 50
"""A wake of a hundred sessions makes thousands of objects that all live until its commit: at Python's own thresholds
(700, 10, 10), scanning them took a third of a worker's time in a fan-out, and a twelfth of a front's in a burst."""


def collect_rarely() -> None:
    """Never look again at what lives now, and seldom at what comes. Called once a process has loaded everything."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
