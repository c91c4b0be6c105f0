"""Chats: `POST /v1/chat` and its siblings."""
