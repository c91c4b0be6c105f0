"""Who is measured: each contender starts its real processes and says how its requests look on the wire."""
