"""Agents that send more than a client may read."""

from collections.abc import Iterator

from pumice import Agent

CHUNK = "x" * 300
COUNT = 20_000


class Flood(Agent):
    """Streams six megabytes at the word `flood`, data of a megabyte at `large`, and else says ok."""

    def reply(self, messages) -> Iterator[str]:
        if messages[-1].text == "flood":
            for _ in range(COUNT):
                yield CHUNK
        elif messages[-1].text == "large":
            for _ in range(12):
                self.send("y" * 1_000_000)
        yield "ok"
