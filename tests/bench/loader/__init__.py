"""Load from outside: processes that speak HTTP and WebSocket over raw sockets and count what comes back."""
