"""What unit tests share."""

import pytest

from pumice.agents import models
from tests.support.openai_server import OpenAIServer


@pytest.fixture
def server(monkeypatch):
    """An OpenAI-compatible server that the language models of this test reach."""
    with OpenAIServer() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        models.forget()
        yield running
    models.forget()
