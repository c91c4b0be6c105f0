"""Fronts and workers on machines that share nothing but Postgres and Valkey, and what holds them back next."""
