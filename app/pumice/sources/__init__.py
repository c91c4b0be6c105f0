"""Webhook senders: how each signs what it sends. No I/O."""
