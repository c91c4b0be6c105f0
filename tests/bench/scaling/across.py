"""What goes from one machine to another: webhooks, chats, and replies that a socket hears."""

from tests.bench.scaling.contacts import called
from tests.bench.scaling.fleet import PORT, Fleet
from tests.bench.stage import Stage
from tests.bench.workloads.hooks import BURST, burst
from tests.support.client import AgentClient


def burst_on_machines(stage: Stage) -> None:
    """Post webhooks to all fronts at once; what lies outside a machine must be Postgres and Valkey alone."""
    burst(stage)
    stage.record("webhooks", stage.count(BURST))
    check_contacts(stage)


def chat_and_socket(stage: Stage) -> None:
    """Chat with fronts of two machines, of which the second alone has a worker."""
    first, second = (_client(stage, number) for number in range(2))
    there = _fleet(stage).workers[0].place.name
    reply = first.reply("where", "chat")
    _say(stage, f"a chat through machine 1, run on machine 2: {'ok' if reply == f'On {there}.' else reply}")
    with first.socket("socket") as socket:
        socket.until("session")
        reply = second.reply("hello", "socket")
        heard = socket.until("message")["message"]["content"]
    same = reply == heard == "You said hello."
    _say(stage, f"a socket on machine 1 hears the reply to a chat through machine 2: {'ok' if same else heard}")
    check_contacts(stage)


def check_contacts(stage: Stage) -> None:
    """Keep as a problem whatever a machine has called besides its two servers."""
    fleet = _fleet(stage)
    for machine in fleet.machines:
        found, servers = called(machine.pid, PORT), fleet.servers_of(machine)
        if found != servers:
            stage.problem(f"{machine.place.name} has called {sorted(found)}, its servers are {sorted(servers)}")


def _client(stage: Stage, number: int) -> AgentClient:
    fleet = _fleet(stage)
    host, port = fleet.addresses[number]
    return AgentClient(f"http://{host}:{port}", "bench", fleet.keys["bench"], "")


def _fleet(stage: Stage) -> Fleet:
    if not isinstance(stage.contender, Fleet):
        raise TypeError(f"{stage.contender.name} is not on several machines")
    return stage.contender


def _say(stage: Stage, text: str) -> None:
    print(text, flush=True)
    if not text.endswith(": ok"):
        stage.problem(text)
