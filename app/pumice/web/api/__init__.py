"""Management with a secret key, health and metrics, and the interface's description."""
