"""Restores in replays: a fork goes back where its session went, whatever its snapshots name now."""

from contextlib import nullcontext
from io import BytesIO

from pumice.sessions import snapshots
from pumice.sessions.exporting import Export
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.importing import import_file
from tests.support.protocol import AGENT
from tests.support.replays import told


def test_restores_to_restores_are_replayed(played):
    first, second = played.record(count=2)
    back = played.restore("s", first)
    played.record()
    again = played.restore("s", back)
    played.record()
    played.restore("s", again)
    played.record()
    assert played.protocol.session()["state"] == {"n": 2}
    played.check("s", turns=5)
    played.check("s", turns=4, after=first)
    played.check("s", turns=3, after=second)
    played.check("s", turns=3, after=back)


def test_restores_to_the_beginning_are_replayed(played):
    played.record()
    played.protocol.query(
        "update sessions set state = null, version = 0, message_count = 0, keyframe = null, base = null"
    )
    played.protocol.query("delete from interactions")
    played.protocol.query("delete from messages")
    played.snapshot("s", "start")
    first, _ = played.record(count=2)
    played.restore("s", "start")
    played.record()
    assert played.protocol.session()["state"] == {"n": 1}
    played.check("s", turns=3)
    snapshots.delete(played.protocol.store, AGENT, "s", "start")
    played.check("s", turns=3)
    played.check("s", turns=2, after=first)


def test_restores_go_where_they_went_whatever_their_snapshot_names_now(played):
    played.record()
    played.snapshot("s", "A")
    played.record()
    played.restore("s", "A")
    played.record()
    played.check("s", turns=3)
    snapshots.delete(played.protocol.store, AGENT, "s", "A")
    played.check("s", turns=3)
    played.record(count=3)
    played.snapshot("s", "A")
    played.check("s", turns=6)


def test_a_fork_that_went_back_to_its_parents_snapshot_is_replayed(played):
    first = played.record()[0]
    played.snapshot("s", "A")
    second = played.record()[0]
    played.snapshot("s", "B")
    fork(played.protocol.store, AGENT, "s", NewFork("f"), at=second)
    played.record("f", 2)
    played.restore("f", "A")
    played.record("f")
    played.restore("f", "B")
    last = played.record("f")[0]
    played.check("f", turns=4)
    played.restore("f", first)
    played.record("f")
    played.check("f", turns=5)
    played.check("f", turns=1, after=last)
    snapshots.delete(played.protocol.store, AGENT, "s", "A")
    played.check("f", turns=5)


def test_restores_that_did_not_note_their_point_are_replayed(played):
    """As they were recorded before points were noted."""
    first = played.record()[0]
    played.snapshot("s", "A")
    fork(played.protocol.store, AGENT, "s", NewFork("f"))
    for session, at in (("s", "A"), ("f", "A"), ("s", first)):
        played.record(session)
        played.restore(session, at)
        played.record(session)
    only_at = "update interactions set payload = json_build_object('at', payload ->> 'at') where kind = 'restore'"
    played.protocol.query(only_at)
    played.check("s", "f", turns=7)
    snapshots.delete(played.protocol.store, AGENT, "s", "A")
    played.record()
    played.snapshot("s", "A")
    status, error = told(played.end(played.start("s")))
    assert (status, error) == ("failed", "The snapshot to which the session was restored names a later point by now.")


def test_an_imported_session_goes_back_where_the_exported_one_did(played):
    first, _ = played.record(count=2)
    played.restore("s", first)
    played.record()
    played.snapshot("s", "A")
    played.record()
    played.restore("s", "A")
    played.record()
    store = played.protocol.store
    content = b"".join(Export(lambda: nullcontext(store), AGENT, "s", None, None).lines())
    import_file(store, AGENT, "copy", BytesIO(content))
    [restored, _] = [row for row in played.protocol.interactions("copy") if row["kind"] == "restore"]
    assert restored["payload"]["at"] == str(played.protocol.interactions("copy")[0]["id"])
    played.check("copy", turns=5)
