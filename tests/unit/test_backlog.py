"""What may wait for clients: bounded for each, and for all of a front."""

from pumice.settings import Settings
from pumice.web.http.backlog import EVENTS, Backlog


class Client:
    """A client for whom something waits."""

    def __init__(self) -> None:
        self.is_cut = False

    def cut_off(self) -> None:
        self.is_cut = True


def backlog(of_client: int = 1_000, of_front: int = 10_000) -> Backlog:
    environ = {"DATABASE_URL": "postgresql://", "CLIENT_BACKLOG": str(of_client), "FRONT_BACKLOG": str(of_front)}
    return Backlog(Settings.from_env(environ))


def test_a_client_over_its_own_bound_is_cut_off():
    waiting, slow, other = backlog(), Client(), Client()
    assert waiting.add(other, 900)
    assert waiting.add(slow, 900)
    assert not waiting.add(slow, 200)
    assert (slow.is_cut, other.is_cut, waiting.bytes) == (True, False, 900)


def test_one_event_may_be_larger_than_the_bound():
    waiting, client = backlog(), Client()
    assert waiting.add(client, 5_000)
    assert not client.is_cut


def test_a_client_of_many_small_events_is_cut_off():
    waiting, client = backlog(), Client()
    assert all(waiting.add(client, 0) for _ in range(EVENTS))
    assert not waiting.add(client, 0)


def test_of_all_clients_those_for_whom_most_waits_are_cut_off():
    waiting = backlog(of_client=9_000)
    clients = [Client() for _ in range(6)]
    for size, client in zip((100, 2_000, 4_000, 3_000, 200, 900), clients, strict=True):
        waiting.add(client, size)
    assert [client.is_cut for client in clients] == [False, False, True, False, False, False]
    assert waiting.bytes == 6_200
