"""Proofs of proofs: each guarantee is broken for a moment, and its tests must see it. See `__main__`."""
