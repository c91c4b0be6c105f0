"""Deliberate bugs in running jobs by hand, in pausing them, and in what is said of their runs."""

from tests.mutations.mutation import Mutation

PAUSES = "tests/integration/test_job_pauses.py::"
RUNS = "tests/integration/test_job_runs.py::"
EXPLAIN = "tests/integration/test_job_explain.py::"
WAITING = "tests/integration/test_job_waiting.py::"

ROWS = (
    Mutation(
        proves="what was due in a pause stays not run",
        file="app/pumice/sessions/job_pauses.py",
        old="decided_until = greatest(decided_until, %(now)s)",
        new="decided_until = decided_until",
        tests=(PAUSES + "test_what_was_due_in_the_pause_is_noted_and_never_run",),
    ),
    Mutation(
        proves="what was due in a pause is noted",
        file="app/pumice/sessions/job_pauses.py",
        old="transaction.fetch(ADD_GAP, key | gap)",
        new="pass",
        tests=(PAUSES + "test_what_was_due_in_the_pause_is_noted_and_never_run",),
    ),
    Mutation(
        proves="a pause ends under the job's lock",
        file="app/pumice/sessions/job_pauses.py",
        old="and name = %(job)s for update",
        new="and name = %(job)s",
        tests=(PAUSES + "test_a_beat_that_is_deciding_is_waited_for",),
    ),
    Mutation(
        proves="a quiet session's run is only recorded",
        file="app/pumice/sessions/job_runs.py",
        old="case when o.quiet then %(skipped)s else %(queued)s end",
        new="case when o.quiet then %(queued)s else %(queued)s end",
        tests=(RUNS + "test_in_a_quiet_session_it_is_recorded_only",),
    ),
    Mutation(
        proves="a deleted session stays deleted",
        file="app/pumice/sessions/job_runs.py",
        old="id = %(session)s and deleted_at is null for key share",
        new="id = %(session)s for key share",
        tests=(RUNS + "test_what_is_not_there_is_not_run",),
    ),
    Mutation(
        proves="a backfill is bounded",
        file="app/pumice/sessions/job_runs.py",
        old="    if len(found) > MOST_TICKS:",
        new="    if len(found) > 10 * MOST_TICKS:",
        tests=(RUNS + "test_a_backfill_that_is_too_much_is_refused",),
    ),
    Mutation(
        proves="nothing is made up of what is not kept",
        file="app/pumice/sessions/job_explain.py",
        old="    if not _is_kept(facts):",
        new="    if False:",
        tests=(EXPLAIN + "test_what_is_no_longer_kept_is_not_made_up",),
    ),
    Mutation(
        proves="a tick comes to later sessions only",
        file="app/pumice/sessions/job_explain.py",
        old="tick.cursor >= facts.question.session_id",
        new="tick.cursor < facts.question.session_id",
        tests=(EXPLAIN + "test_a_fan_out_under_way_comes_to_later_sessions_only",),
    ),
    Mutation(
        proves="a session's timezone decides",
        file="app/pumice/sessions/job_facts.py",
        old="zone_named(session.timezone) if job.is_local else job.zone",
        new="job.zone",
        tests=(EXPLAIN + "test_a_session_in_another_timezone_is_told_its_own_due_times",),
    ),
    Mutation(
        proves="a gap ends",
        file="app/pumice/sessions/job_facts.py",
        old="where g.last_at >= %(time)s",
        new="where true",
        tests=(EXPLAIN + "test_a_gap_says_why_it_was_not_run",),
    ),
    Mutation(
        proves="what waits before a run is named",
        file="app/pumice/sessions/job_waiting.py",
        old="one.seq < run.seq and one.id != running",
        new="one.id != running",
        tests=(WAITING + "test_what_came_after_it_is_not_before_it",),
    ),
    Mutation(
        proves="a worker must be alive",
        file="app/pumice/sessions/job_waiting.py",
        old="from workers where seen_at > now() - %(patience)s * interval '1 second'",
        new="from workers where %(patience)s > 0",
        tests=(WAITING + "test_no_worker_would_run_it",),
    ),
    Mutation(
        proves="runs under way are counted",
        file="app/pumice/sessions/job_rows.py",
        old="session_id) > (%(agent)s, %(job)s, %(time)s::timestamptz, %(drained)s)",
        new="session_id) >= (%(agent)s, %(job)s, %(time)s::timestamptz, %(drained)s)",
        tests=("tests/integration/test_job_api.py::test_a_tick_under_way_counts_runs_that_its_row_does_not",),
    ),
)
