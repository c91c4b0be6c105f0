"""Bugs in what operators and authors see: commands, logs, `pumice.testing`, middleware."""

from tests.mutations.mutation import Mutation

CLI = "app/pumice/cli"

COMMANDS = (
    Mutation(
        proves="commands do what they were told",
        file="app/pumice/sessions/job_documents.py",
        old="following = coming_times(job, zones, now, NEXT)",
        new="following = coming_times(job, zones, now, 1) * NEXT",
        tests=("tests/integration/test_cli_data.py::test_jobs_are_listed_with_their_next_times",),
    ),
    Mutation(
        proves="commands do what they were told",
        file=f"{CLI}/instance.py",
        old="    if not instance.runs:\n        return Settings.from_env()",
        new="    if not instance.runs or True:\n        return Settings.from_env()",
        tests=("tests/integration/test_cli_data.py::test_a_running_dev_is_found",),
    ),
    Mutation(
        proves="commands do what they were told",
        file=f"{CLI}/instance.py",
        old='if not content or _is_left(data_dir / "lock"):',
        new="if not content:",
        tests=("tests/integration/test_cli_data.py::test_what_a_killed_dev_left_is_ignored",),
    ),
    Mutation(
        proves="commands do what they were told",
        file=f"{CLI}/failures.py",
        old="    if dry_run or not yes:",
        new="    if dry_run:",
        tests=("tests/integration/test_cli_failures.py::test_nothing_is_done_without_agreement",),
    ),
    Mutation(
        proves="commands do what they were told",
        file=f"{CLI}/keys.py",
        old="    if len(found) > 1:",
        new="    if len(found) > 99:",
        tests=("tests/integration/test_cli_keys.py::test_what_stands_for_several_revokes_none",),
    ),
    Mutation(
        proves="what can't work says so and ends",
        file="app/pumice/web/gunicorn_conf.py",
        old="            _check_free(*address[:2])",
        new="            pass",
        tests=("tests/integration/test_cli_mistakes.py::test_a_taken_port_is_a_line",),
    ),
    Mutation(
        proves="health tells who hangs",
        file="app/pumice/sessions/signs_of_life.py",
        old="PATIENCE = 10.0",
        new="PATIENCE = 100.0",
        tests=("tests/integration/test_cli_processes.py::test_health_of_what_was_not_seen_lately",),
    ),
    Mutation(
        proves="a Postgres that is away is waited for",
        file=f"{CLI}/preflight.py",
        old="except psycopg.OperationalError as error:",
        new="except psycopg.InterfaceError as error:",
        tests=(
            "tests/integration/test_cli_processes.py::test_processes_start_without_postgres_and_work_once_it_is_there",
        ),
    ),
)

LOGS = (
    Mutation(
        proves="nothing secret is logged",
        file="app/pumice/sessions/engine.py",
        old="hide_parameters=True",
        new="hide_parameters=False",
        tests=("tests/integration/test_logs.py::test_nothing_secret_is_logged",),
    ),
    Mutation(
        proves="an outage is told once",
        file="app/pumice/logs.py",
        old="            first = self._times == 1",
        new="            first = True",
        tests=("tests/integration/test_logs.py::test_json_lines_can_be_read_and_an_outage_is_told_once",),
    ),
    Mutation(
        proves="a log line is one line",
        file="app/pumice/logs.py",
        old="return text if PLAIN.fullmatch(text) and text.isprintable() else",
        new="return text if True else",
        tests=("tests/unit/test_logs.py::test_a_text_line_is_one_line_and_its_fields_can_be_told_apart",),
    ),
)

TESTING = (
    Mutation(
        proves="pumice.testing runs as production does",
        file="app/pumice/testing/turns.py",
        old="            one.available_at = now + timedelta(seconds=outcome.failure.retry_after)",
        new="            one.available_at = now",
        tests=("tests/unit/test_testing_time.py::test_a_failed_attempt_is_made_again_while_its_client_waits",),
    ),
    Mutation(
        proves="pumice.testing runs as production does",
        file="app/pumice/testing/turns.py",
        old="                session.blocked_until = one.available_at",
        new="                session.blocked_until = LONG_AGO",
        tests=(
            "tests/unit/test_testing_time.py::test_a_blocking_retry_holds_up_its_session",
            "tests/integration/test_testing_agrees.py::test_whether_others_wait_for_a_retry",
        ),
    ),
    Mutation(
        proves="pumice.testing runs as production does",
        file="app/pumice/testing/interactions.py",
        old="return max(self.available_at, self.session.blocked_until), self.seq",
        new="return self.accepted_at, self.seq",
        tests=("tests/integration/test_testing_agrees.py::test_what_is_scheduled_runs_in_production_s_order",),
    ),
)

MIDDLEWARE = (
    Mutation(
        proves="middleware hides no failure",
        file="app/pumice/agents/middleware.py",
        old="    if failed is not None:\n        raise failed",
        new="    del failed",
        tests=("tests/unit/test_agents_middleware.py::test_it_can_not_make_a_failed_turn_a_good_one",),
    ),
    Mutation(
        proves="statements return what their rows say",
        file="app/pumice/sessions/statements.py",
        old="            if columns != self.row._fields:",
        new="            if not columns:",
        tests=("tests/integration/test_sessions_statements.py::test_columns_in_another_order_are_refused",),
    ),
)

ROWS = (*COMMANDS, *LOGS, *TESTING, *MIDDLEWARE)
