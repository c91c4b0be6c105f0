"""Deliberate bugs in points, snapshots, forks, restores, and in states that come back."""

from tests.mutations.mutation import Mutation

HISTORY = "tests/integration/test_history.py::"
STATES = "tests/unit/test_state_text.py::"

ROWS = (
    Mutation(
        proves="11",
        file="app/pumice/sessions/deltas.py",
        old="return low + ((differing & -differing).bit_length() - 1) // 8 if differing else high",
        new="return high",
        tests=("tests/unit/test_deltas.py::test_what_was_told_as_a_difference_comes_back",),
    ),
    Mutation(
        proves="11",
        file="app/pumice/sessions/commit_rows.py",
        old="full = last.text if not stale else last.base if made else None",
        new="full = last.text",
        tests=(HISTORY + "test_a_large_state_is_written_as_a_difference",),
    ),
    Mutation(
        proves="11",
        file="app/pumice/sessions/pruning.py",
        old="""  and not exists (select from snapshots n
    where n.agent_id = k.agent_id and n.session_id = k.session_id and n.keyframe = k.id)
""",
        new="",
        tests=(HISTORY + "test_a_name_outlives_the_pruning_of_the_points_around_it",),
    ),
    Mutation(
        proves="11",
        file="app/pumice/sessions/restoring.py",
        old="  history_start = message_count, transcript = %(transcript)s::json, lease_token = null",
        new="  lease_token = null",
        tests=(HISTORY + "test_a_restore_goes_on_from_a_point_and_keeps_what_came_after",),
    ),
    Mutation(
        proves="11",
        file="app/pumice/sessions/deletion.py",
        old='if has_forks(transaction, key["agent"], key["session"]):',
        new="if False:",
        tests=(HISTORY + "test_a_fork_of_a_fork_of_what_was_deleted_is_whole",),
    ),
    Mutation(
        proves="11",
        file="app/pumice/agents/live_session.py",
        old="        self._parsed = read_back(agent.state, text)\n        self.state",
        new="        self._parsed = None\n        self.state",
        tests=(STATES + "test_what_would_not_come_back_is_refused",),
    ),
    Mutation(
        proves="quiet forks do nothing outside",
        file="workers/pumice_workers/session_run.py",
        old="        if self.claimed.quiet:\n            outcome.calls",
        new="        if False:\n            outcome.calls",
        tests=(HISTORY + "test_a_quiet_fork_records_what_it_would_do",),
    ),
)
