"""The protocol on Postgres, one file a step: accept, claim, commit, rescue, ticks; `models` holds the tables."""
