"""`pumice dev`: every process of a deployment on one machine, with a Postgres and a Valkey of its own.

`postgres` and `valkey` know the servers' programs, `children` and `processes` keep processes running, `guard` cleans up
after a killed parent, `datadir` is what a data directory remembers, `supervisor` puts them together. Nothing here is
used in production.
"""
