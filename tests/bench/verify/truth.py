"""The questions that every contender's store must answer, wherever it keeps things."""

from abc import ABC, abstractmethod


class Truth(ABC):
    """Reads, fills and empties what one contender stores."""

    @abstractmethod
    def empty(self) -> None:
        """Let no later question count what has been stored so far."""

    @abstractmethod
    def unfinished(self, total: int) -> int:
        """Return how many of the `total` interactions acknowledged since the store was emptied are not done."""

    @abstractmethod
    def problems_with_events(self, accepted: int) -> list[str]:
        """Compare what is stored with the number of webhook events that were acknowledged."""

    @abstractmethod
    def copy_sessions(self, model: str, count: int) -> None:
        """Add sessions s1 to s`count` in the state of the session `model`."""

    @abstractmethod
    def ticks(self) -> dict[int, int]:
        """Return how many sessions have counted how many ticks."""

    @abstractmethod
    def out_of_order(self) -> float | None:
        """Return the share of webhook turns that ran after one which had been accepted later, None where untold."""

    @abstractmethod
    def checkpoint(self) -> None:
        """Write out what earlier work left to be written, so that it is not charged to what comes."""

    @abstractmethod
    def vacuum(self) -> None:
        """Tidy up as the store itself would before long."""
