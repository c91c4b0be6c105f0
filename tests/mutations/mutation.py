"""One deliberate bug: where it is put, and the tests that must fail while it is there."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change that breaks a promise.

    proves: the guarantee it breaks, as "1" to "11", or "cells: <what is shared>" for a row of docs/sharing.md, or
    another promise in a few words. file: from the project's root. old: text that stands in it exactly once.
    new: what is put in its place. tests: pytest ids that must fail, each of them, while it is there.
    """

    proves: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
