"""Server-sent events, and how an interaction's stream ends."""
