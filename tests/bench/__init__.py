"""Measures Pumice beside two references, as real processes on the same Postgres and Valkey: `python -m tests.bench`."""
