"""Senders of webhooks, a function each: what each signs, and where its id, event and time are."""
