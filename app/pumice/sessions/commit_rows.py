"""What a commit saves, as the rows of its statement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pumice.agents.turn import Outcome, Work
from pumice.sessions.effects import call_row, event_row, message_row, outcome_row, schedule_rows
from pumice.sessions.leases import Lease
from pumice.sessions.parameters import Blob, json_rows
from pumice.sessions.point_writer import SMALL_STATE, Point
from pumice.sessions.schedule_rows import schedule_parameters

PRUNED_EVERY = 64
"""Points after which a session that has more than are kept is pruned; sooner where fewer are kept."""


@dataclass(frozen=True, slots=True)
class EndedTurn:
    """One turn that ended: its outcome, seconds since its wake and since its start, and the point that it leaves.

    effects: what it did, or would have done in a quiet session, beside what it saved; JSON text.
    """

    outcome: Outcome
    woken: float = 0.0
    started: float = 0.0
    point: Point | None = None
    effects: str | None = None


@dataclass(slots=True)
class SessionCommit:
    """What one session's turns did, at a version.

    keep: how many of the session's points are kept; 0 keeps none.
    cut: the first turn that was left out, if any was, with all that followed from it; see `commit.without`.
    """

    lease: Lease
    version: int
    release: bool
    turns: list[EndedTurn] = field(default_factory=list)
    keep: int = 0
    code_version: str | None = None
    state_version: int = 1
    cut: Work | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        """The turns' outcomes."""
        return [turn.outcome for turn in self.turns]


@dataclass(slots=True)
class CommitRows:
    """Rows; those that belong to a session stand in its row or name its place, large values name theirs in `states`.

    has_schedules: whether the statement needs its part for schedules and timezones.
    """

    sessions: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    keyframes: list[dict[str, Any]] = field(default_factory=list)
    prunable: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    schedules: list[dict[str, Any]] = field(default_factory=list)
    has_schedules: bool = False
    states: Blob = field(default_factory=Blob)

    @classmethod
    def of(cls, sessions: Sequence[SessionCommit]) -> "CommitRows":
        """The rows of these sessions."""
        rows = cls()
        for place, one in enumerate(sessions):
            rows._add_session(place, one)
        return rows

    @property
    def has_messages(self) -> bool:
        """Whether the statement needs its part for messages."""
        return bool(self.messages)

    @property
    def has_calls(self) -> bool:
        """Whether it needs its part for calls."""
        return bool(self.calls)

    @property
    def has_events(self) -> bool:
        """Whether it needs its part for events that were emitted."""
        return bool(self.events)

    @property
    def has_points(self) -> bool:
        """Whether it needs its part for keyframes, names and what is to be pruned."""
        return bool(self.keyframes or self.prunable or self.snapshots)

    def parameters(self) -> dict[str, Any]:
        """The statement's parameters."""
        return {
            "sessions": json_rows(self.sessions),
            "calls": json_rows(self.calls),
            "events": json_rows(self.events),
            "prunable": json_rows(self.prunable),
            "snapshots": json_rows(self.snapshots),
            "states": self.states.value,
            **schedule_parameters(self.schedules, self.outcomes if self.has_schedules else ()),
        }

    def _add_session(self, place: int, one: SessionCommit) -> None:
        hidden, block = None, None
        before, turns, keyframes = len(self.messages), len(self.outcomes), len(self.keyframes)
        for number, turn in enumerate(one.turns, one.version + 1):
            outcome = turn.outcome
            if outcome.replaces_history:
                hidden = len(self.messages) - before
            failure = outcome.failure
            if failure is not None and outcome.status == "retry" and failure.blocking:
                block = failure.retry_after
            self._add_turn(place, one, turn, number)
            for message in outcome.messages:
                row = {"place": len(self.messages) - before, **message_row(message)}
                self.messages.append(row | {"interaction_id": outcome.work.id})
            for call in outcome.calls:
                self.calls.append({"session": place, "place": len(self.calls), **call_row(call)})
            for event in outcome.emitted:
                self.events.append({"session": place, "interaction_id": outcome.work.id, **event_row(event)})
        self._add_prunable(place, one)
        zone = self._add_schedules(place, one)
        self.sessions.append(
            {
                "place": place,
                "agent_id": one.lease.agent_id,
                "id": one.lease.session_id,
                "token": one.lease.token,
                "version": one.version,
                "turns": len(one.turns),
                "code_version": one.code_version,
                "added": len(self.messages) - before,
                "hidden": hidden,
                "release": one.release,
                "block": block,
                "outcomes": self.outcomes[turns:],
                "messages": self.messages[before:],
                "keyframes": self.keyframes[keyframes:],
                **zone,
                **self._state_row([turn.point for turn in one.turns if turn.point is not None], one.state_version),
            }
        )

    def _state_row(self, points: Sequence[Point], state_version: int) -> dict[str, Any]:
        """How the state that the last turn left is written: not at all, in full, or as a difference from `base`."""
        changed = [point for point in points if point.text is not None]
        made = [point for point in points if point.made is not None]
        base_at, base_size = self.states.add(made[-1].made if made else None)
        base = {"base_at": base_at, "base_size": base_size, "keyframe": made[-1].made_as if made else None}
        if not changed:
            return base
        last = changed[-1]
        stale = len(last.text or b"") > SMALL_STATE and last.told is not None and last.made is None
        full = last.text if not stale else last.base if made else None
        state_at, state_size = self.states.add(full)
        delta_at, delta_size = self.states.add(last.told if stale else None)
        return base | {
            "stale": stale,
            "state_at": state_at,
            "state_size": state_size,
            "delta_at": delta_at,
            "delta_size": delta_size,
            "state_version": state_version,
        }

    def _add_turn(self, place: int, one: SessionCommit, turn: EndedTurn, number: int) -> None:
        outcome, point = turn.outcome, turn.point
        row = {"session": place, "woken": turn.woken, "started": turn.started, **outcome_row(outcome)}
        self.outcomes.append(row)
        if point is None or point.keyframe is None or outcome.status == "retry":
            return
        delta_at, delta_size = self.states.add(point.delta)
        stands = {
            "point": number,
            "keyframe": point.keyframe,
            "delta_at": delta_at,
            "delta_size": delta_size,
            "history_start": point.history_start,
            "message_count": point.message_count,
            "inherits": not point.replaces_history,
            "state_version": one.state_version,
        }
        row.update(stands)
        row["effects"], row["recording"] = turn.effects, outcome.recording
        if point.made is not None:
            at, size = self.states.add(point.made)
            self.keyframes.append({"keyframe": point.keyframe, "point": number, "at": at, "size": size})
        for name, note in outcome.snapshots:
            named = {"session": place, "name": name, "note": note, "interaction_id": outcome.work.id}
            self.snapshots.append(named | stands)

    def _add_schedules(self, place: int, one: SessionCommit) -> dict[str, Any]:
        """Note what becomes of a session's schedules. Returns its timezone, where its turns set one."""
        moved = [outcome for outcome in one.outcomes if outcome.moves]
        operations = [operation for outcome in one.outcomes for operation in outcome.schedules]
        if not moved and not operations:
            return {}
        self.has_schedules = True
        zone = (moved or [outcome for outcome in one.outcomes if outcome.schedules])[-1].timezone
        rows = schedule_rows(operations, zone, moves=bool(moved))
        for row in rows:
            key = {"session": place, "agent_id": one.lease.agent_id, "session_id": one.lease.session_id}
            self.schedules.append(key | row)
        return {"moves": bool(moved), "timezone": zone}

    def _add_prunable(self, place: int, one: SessionCommit) -> None:
        """Note, each so many points, that the session has more than are kept."""
        after = one.version + len(one.turns)
        step = max(min(PRUNED_EVERY, one.keep // 4), 1)
        if one.keep and after > one.keep and one.version // step != after // step:
            self.prunable.append({"session": place, "keep": one.keep})
