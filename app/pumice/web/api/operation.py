"""What an operation of `/openapi.json` says: a method of a path, with its parameters, body, answers and problems."""

from dataclasses import dataclass, field

from pumice.web.api.schema import Schema, ref

PUBLIC: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearer": []}, {"queryKey": []}, {"queryKeySnake": []}]
"""The ways to give a key: any one of them."""
MANAGING = (400, 401, 403, 404, 422, 429, 503)
WRITING = (*MANAGING, 413, 415)
ONE, MANY = ("agent", "session"), ("agent", "limit", "cursor")
"""The parameters of a session, and of a page of an agent's things."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `answers` are responses by status; `problems` the statuses of problems."""

    id: str
    summary: str
    parameters: tuple[str, ...] = ()
    body: Schema | None = None
    answers: dict[str, Schema] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    secured: bool = True
    tag: str = "sessions"

    def document(self) -> Schema:
        """The operation object."""
        known: Schema = {"operationId": self.id, "summary": self.summary, "tags": [self.tag]}
        if self.parameters:
            known["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in self.parameters]
        if self.body is not None:
            known["requestBody"] = self.body
        problems = {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in self.problems}
        return known | {"responses": {**self.answers, **problems}, "security": PUBLIC if self.secured else []}


def answer(schema: str, description: str, *, status: int = 200) -> dict[str, Schema]:
    """An answer in JSON, by its status."""
    return {str(status): {"description": description, "content": {"application/json": {"schema": ref(schema)}}}}


def json_body(schema: str, *, required: bool = True) -> Schema:
    """A request body in JSON."""
    return {"required": required, "content": {"application/json": {"schema": ref(schema)}}}
