"""The page that shows a replay."""

from pumice.cli.replay_page import page


def test_what_sessions_said_is_text_on_the_page():
    evil = "<script>alert(1)</script>"
    difference = {"what": "reply", "recorded": evil, "candidate": "plain"}
    turn = {"interactionId": "1", "kind": "chat", "name": None, "changed": True, "differences": [difference]}
    session = {"sessionId": evil, "error": evil, "turns": [turn, {**turn, "changed": False}]}
    report = {"turns": 2, "changed": 1, "status": "failed", "createdAt": "2026", "sessions": [session]}
    made = page(report)
    assert "<script" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made
    assert "2 turns, 1 changed" in made
    assert "http" not in made
