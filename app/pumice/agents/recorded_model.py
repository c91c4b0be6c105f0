"""A language model that answers what another one answered before. Imports pydantic-ai, an optional extra."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings

from pumice.agents.json_text import dumps
from pumice.agents.recordings import Answers
from pumice.errors import RecordingError


class RecordedModel(Model):
    """Gives the recorded responses one after the other, whatever it is asked."""

    def __init__(self, name: str, answers: Answers) -> None:
        super().__init__()
        self._name = name
        self._answers = answers

    @property
    def model_name(self) -> str:
        """The name of the model that answered."""
        return self._name

    @property
    def system(self) -> str:
        """Whose model it is: nobody's."""
        return "recorded"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The next response. Raises `RecordingError`."""
        del messages, model_settings, model_request_parameters
        return self._next()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse, None]:
        """The next response, part by part. Raises `RecordingError`."""
        del messages, model_settings, run_context
        yield CompletedStreamedResponse(
            self._next(), model_request_parameters=model_request_parameters, replay_events=True
        )

    def _next(self) -> ModelResponse:
        [response] = ModelMessagesTypeAdapter.validate_json(dumps([self._answers.response()]))
        if not isinstance(response, ModelResponse):
            raise RecordingError("what was recorded of the model is no response")
        return response
