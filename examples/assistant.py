"""An assistant that keeps notes. A language model writes the replies and calls the tools.

Needs `pip install 'pumice[openai]'` and OPENAI_API_KEY. OPENAI_BASE_URL points it at another server with OpenAI's API.
"""

from pumice import Agent, tool


class Assistant(Agent):
    """One session is one person's assistant. There is no `reply` here: `model` gives one."""

    model = "openai:gpt-6-luna"
    instructions = "You are a friendly assistant. Keep what you are asked to remember as notes. Answer briefly."

    class State(Agent.State):
        """What the assistant remembers."""

        notes: list[str] = []

    state: State  # tells editors and type checkers what `self.state` is

    # The model sees a tool's name, docstring and annotations. What a tool does to the state is saved with the reply.
    @tool
    def remember(self, note: str) -> str:
        """Keep a note."""
        self.state.notes.append(note)
        return f"Note {len(self.state.notes)} kept."

    @tool
    def recall(self) -> list[str]:
        """Read all notes."""
        return self.state.notes
