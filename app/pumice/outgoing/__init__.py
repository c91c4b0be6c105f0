"""Sending outgoing events: addresses that may be called, signatures, requests, and when to try again. No SQL."""
