"""Deliberate bugs in replays."""

from tests.mutations.mutation import Mutation

REPLAY = "tests/integration/test_replay.py::"
STEPS = "tests/integration/test_replay_steps.py::"
RESTORES = "tests/integration/test_replay_restores.py::"
COMPARISON = "tests/unit/test_replay_comparison.py::"

ROWS = (
    Mutation(
        proves="a replay does nothing outside",
        file="app/pumice/sessions/replay_lanes.py",
        old="select agent_id, %(fork)s, true, metadata from sessions",
        new="select agent_id, %(fork)s, false, metadata from sessions",
        tests=(REPLAY + "test_the_same_code_comes_out_the_same",),
    ),
    Mutation(
        proves="a replay leaves no fork behind",
        file="app/pumice/sessions/replay_steps.py",
        old="    remove(store, lane)\n    if lane.lane == BASELINE:",
        new="    if lane.lane == BASELINE:",
        tests=(REPLAY + "test_the_same_code_comes_out_the_same", REPLAY + "test_a_replay_outlives_its_worker"),
    ),
    Mutation(
        proves="a restore is replayed as one",
        file="app/pumice/sessions/replay_lanes.py",
        old="    rows = rows[: restores[0]] if restores else rows\n",
        new="    rows = [row for row in rows if row.restore is None] if restores else rows\n",
        tests=(REPLAY + "test_restores_forks_and_failed_turns_are_replayed",),
    ),
    Mutation(
        proves="one agent's replays keep no other's waiting",
        file="app/pumice/sessions/replay_steps.py",
        old="s.agent_id not in (select o.agent_id from",
        new="'' not in (select '' from",
        tests=(STEPS + "test_one_agents_replays_keep_no_others_waiting",),
    ),
    Mutation(
        proves="a replay that can't go on ends",
        file="app/pumice/sessions/replay_steps.py",
        old="    if waits_for_code and ",
        new="    if False and ",
        tests=(STEPS + "test_a_state_that_can_not_be_loaded_ends_the_replay",),
    ),
    Mutation(
        proves="a restore goes where it went, whatever its snapshot names now",
        file="app/pumice/sessions/replay_restores.py",
        old="    if isinstance(point, int) and not isinstance(point, bool):",
        new="    if False:",
        tests=(RESTORES + "test_restores_go_where_they_went_whatever_their_snapshot_names_now",),
    ),
    Mutation(
        proves="numbers are compared exactly",
        file="app/pumice/agents/comparison.py",
        old="        if _canonical(what, one, ignored) != _canonical(what, other, ignored):\n",
        new="        if one != other and _canonical(what, one, ignored) != _canonical(what, other, ignored):\n",
        tests=(COMPARISON + "test_each_difference_is_told_by_its_name",),
    ),
)
