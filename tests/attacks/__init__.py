"""Bad requests, made by one generator: a slice of them runs as a test, and as many as one likes by a command."""
