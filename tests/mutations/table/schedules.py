"""Deliberate bugs in schedules: one for each key, with their turn, each due time once."""

from tests.mutations.mutation import Mutation

COMMIT = "tests/integration/test_schedules_commit.py::"
FIRING = "tests/integration/test_schedules_firing.py::"
STACK = "tests/integration/test_schedules.py::"
API = "tests/integration/test_schedules_api.py::"
SWEEP = "tests/integration/test_schedules_sweep.py::"
ROWS_FILE = "app/pumice/sessions/schedule_rows.py"
STEPS = "app/pumice/sessions/schedule_steps.py"

ROWS = (
    Mutation(
        proves="the same schedule keeps its next time",
        file=ROWS_FILE,
        old="case when w.same and not coalesce(w.moves, false)",
        new="case when false",
        tests=(COMMIT + "test_the_same_recurring_schedule_on_each_start_is_one_and_keeps_its_time",),
    ),
    Mutation(
        proves="another schedule takes the place of its key's",
        file=ROWS_FILE,
        old="(p.method, p.payload, p.cron, p.every, p.timezone) as same",
        new="(p.method, p.payload, p.cron, schedules.every, p.timezone) as same",
        tests=(COMMIT + "test_another_schedule_replaces_the_one_of_its_key",),
    ),
    Mutation(
        proves="a schedule is made only with its turn's commit",
        file=ROWS_FILE,
        old="  join held h on h.place = p.session\n), scheduled",
        new="  join changed h on h.place = p.session\n), scheduled",
        tests=(COMMIT + "test_a_turn_that_lost_its_lease_changes_nothing",),
    ),
    Mutation(
        proves="what was fired is cancelled with its key",
        file=ROWS_FILE,
        old="and i.schedule_key = p.key and p.cancels",
        new="and i.schedule_key = p.key and false",
        tests=(COMMIT + "test_unscheduling_cancels_what_was_fired_and_nobody_started",),
    ),
    Mutation(
        proves="operations of a turn count in their order",
        file="app/pumice/agents/scheduling.py",
        old="cancels = not is_new or (known is not None and known.cancels)",
        new="cancels = not is_new",
        tests=(COMMIT + "test_unscheduling_and_scheduling_again_begins_anew",),
    ),
    Mutation(
        proves="schedules in a session's timezone move with it",
        file=ROWS_FILE,
        old="where c.moves and s.agent_id = h.agent_id",
        new="where false and s.agent_id = h.agent_id",
        tests=(COMMIT + "test_a_schedule_in_the_sessions_timezone_follows_it",),
    ),
    Mutation(
        proves="a move by the API moves schedules",
        file="app/pumice/sessions/schedules.py",
        old="and s.timezone = 'session' and s.next_at is not null\n)",
        new="and false\n)",
        tests=(API + "test_a_sessions_timezone_is_changed_and_cleared",),
    ),
    Mutation(
        proves="a due time is fired once",
        file=STEPS,
        old="  for update skip locked) d\n",
        new="  ) d\n",
        tests=(FIRING + "test_one_killed_before_its_commit_has_fired_nothing",),
    ),
    Mutation(
        proves="what can't be worked out holds up no other",
        file=STEPS,
        old='return row | {"over": False, "missed": one.missed, "error"',
        new='raise\n        return row | {"over": False, "missed": one.missed, "error"',
        tests=(FIRING + "test_one_that_cannot_be_worked_out_is_paused_and_holds_up_no_other",),
    ),
    Mutation(
        proves="a recurring schedule folds while its last run is not finished",
        file=STEPS,
        old="if recurs and one.is_unfinished:",
        new="if False:",
        tests=(FIRING + "test_a_recurring_one_folds_while_its_last_run_is_not_finished",),
    ),
    Mutation(
        proves="agents that nobody serves cost others nothing",
        file=STEPS,
        old="from schedules s where s.agent_id = a.id and s.next_at <= now() order by s.next_at limit",
        new="from schedules s where s.agent_id || '' = a.id and s.next_at <= now() order by s.next_at limit",
        tests=(FIRING + "test_looking_and_taking_read_the_index_however_much_waits",),
    ),
    Mutation(
        proves="a deleted session leaves no schedules",
        file="app/pumice/sessions/deletion.py",
        old="    transaction.fetch(UNSCHEDULE, key)\n",
        new="",
        tests=(FIRING + "test_a_deleted_session_leaves_no_schedule_and_no_run",),
    ),
    Mutation(
        proves="a turn that cancels is not followed by what it cancelled",
        file="workers/pumice_workers/wake_runner.py",
        old="        if outcome.unschedules:\n            return True\n",
        new="",
        tests=(STACK + "test_a_turn_that_cancels_is_not_followed_by_what_it_cancelled",),
    ),
    Mutation(
        proves="a temporary session waits for what it is to do once",
        file="app/pumice/sessions/expiry.py",
        old="      where c.agent_id = p.agent_id and c.session_id = p.id and c.cron is null and c.every is null)\n",
        new="      where false)\n",
        tests=(SWEEP + "test_a_temporary_session_waits_for_what_it_is_to_do_once",),
    ),
)
