"""The store: what is kept and for how long, deleting, connections, and a Postgres that refuses writes."""

from tests.mutations.mutation import Mutation

SWEEP = "tests/integration/test_sessions_sweep.py::"
DELETION = "tests/integration/test_sessions_deletion.py::"
WEB = "tests/integration/test_web_deletion.py::"
COMMITTER = "tests/integration/test_committer.py::"
CONNECTIONS = "tests/integration/test_store_connections.py::"
REFUSES = "tests/integration/test_store_refuses.py::"

ROWS = (
    Mutation(
        proves="6",
        file="app/pumice/sessions/retention.py",
        old="and t.scheduled_for < n.scheduled_for\n",
        new="\n",
        tests=(SWEEP + "test_old_ticks_go_when_they_were_done_long_ago_but_for_each_jobs_newest",),
    ),
    Mutation(
        proves="4",
        file="app/pumice/sessions/expiry.py",
        old="""i.status <> 'queued'
    and (i.dedupe_key is null or i.accepted_at < now() - %(window)s * interval '1 second')
), longest""",
        new="""i.status <> 'queued'
), longest""",
        tests=(SWEEP + "test_a_delivery_that_may_be_repeated_outlives_its_temporary_session",),
    ),
    Mutation(
        proves="4",
        file="app/pumice/sessions/retention.py",
        old=" and (dedupe_key is null or accepted_at < now() - %(window)s * interval '1 second')",
        new="",
        tests=(SWEEP + "test_a_delivery_that_may_be_repeated_outlives_the_retention",),
    ),
    Mutation(
        proves="retention goes by when something finished",
        file="app/pumice/sessions/retention.py",
        old="finished_at < now() - %(retention)s",
        new="accepted_at < now() - %(retention)s",
        tests=(SWEEP + "test_what_was_accepted_long_ago_and_finished_just_now_stays",),
    ),
    Mutation(
        proves="cells: rows held by others while the sweep passes",
        file="app/pumice/sessions/retention.py",
        old="order by finished_at limit %(batch)s for update skip locked",
        new="order by finished_at limit %(batch)s for update",
        tests=(SWEEP + "test_rows_that_others_hold_are_left_for_the_next_time",),
    ),
    Mutation(
        proves="cells: the sweep's transaction",
        file="app/pumice/sessions/expiry.py",
        old="not p.long and s.expires_at < now()",
        new="s.expires_at < now()",
        tests=(SWEEP + "test_a_long_history_goes_in_small_transactions",),
    ),
    Mutation(
        proves="a session that is used while it is emptied is a new one",
        file="app/pumice/sessions/expiry.py",
        old="    transcript = null, history_start = h.message_count from held h",
        new="    transcript = null from held h",
        tests=(SWEEP + "test_a_session_that_is_used_while_it_is_emptied_is_a_new_one",),
    ),
    Mutation(
        proves="one sweeper at a time",
        file="app/pumice/sessions/sweep.py",
        old="if not _is_elected(transaction):",
        new="if _is_elected(transaction) is None:",
        tests=(SWEEP + "test_one_sweeps_at_a_time",),
    ),
    Mutation(
        proves="only sessions to which nothing but jobs ever happened go",
        file="app/pumice/sessions/retention.py",
        old="update sessions s set used = true from (",
        new="update sessions s set used = s.used from (",
        tests=(SWEEP + "test_a_session_whose_hooks_are_long_forgotten_is_no_empty_one",),
    ),
    Mutation(
        proves="only sessions to which nothing but jobs ever happened go",
        file="app/pumice/sessions/expiry.py",
        old="and (i.kind <> 'job' or i.status = 'queued'))",
        new="and i.status = 'queued')",
        tests=(SWEEP + "test_sessions_to_which_nothing_but_jobs_happened_go",),
    ),
    Mutation(
        proves="a deleted session stays deleted",
        file="app/pumice/sessions/orphans.py",
        old="return self.kind == Kind.JOB and not self.session_id.startswith(RESERVED_PREFIX)",
        new="return False",
        tests=(DELETION + "test_a_deleted_session_does_not_come_back_by_a_page_of_a_job",),
    ),
    Mutation(
        proves="1",
        file="app/pumice/sessions/orphans.py",
        old="return self.kind == Kind.JOB and not self.session_id.startswith(RESERVED_PREFIX)",
        new="return True",
        tests=(DELETION + "test_what_was_sent_meanwhile_makes_the_session_again",),
    ),
    Mutation(
        proves="a temporary session's id never becomes permanent",
        file="app/pumice/sessions/accept.py",
        old='"temporary": one.temporary or is_temporary_id(one.session_id),',
        new='"temporary": one.temporary,',
        tests=(DELETION + "test_a_temporary_session_that_expired_is_temporary_again",),
    ),
    Mutation(
        proves="cells: a deleted session's waiters",
        file="app/pumice/web/api/deletion.py",
        old="    front.intake.tell_finished(spec.id, session_id, step.interactions)\n",
        new="",
        tests=(WEB + "test_everybody_who_waits_is_told_at_once",),
    ),
    Mutation(
        proves="a deleted session's turn is stopped",
        file="app/pumice/web/api/deletion.py",
        old="if step.token is not None:",
        new="if step.token is None:",
        tests=(WEB + "test_a_running_turn_is_stopped",),
    ),
    Mutation(
        proves="cells: a session's row",
        file="app/pumice/sessions/deletion.py",
        old="    transaction.fetch(PATIENCE)\n",
        new="",
        tests=(DELETION + "test_a_row_that_others_hold_ends_in_an_error_and_changes_nothing",),
    ),
    Mutation(
        proves="cells: the row of a session with a long history",
        file="app/pumice/sessions/deletion.py",
        old="transaction.fetch(DELETE if over else HIDE, key)",
        new="transaction.fetch(DELETE, key) if over else None",
        tests=(DELETION + "test_a_long_history_goes_in_short_transactions_and_is_hidden_at_once",),
    ),
    Mutation(
        proves="cells: connections that are lent",
        file="app/pumice/sessions/connections.py",
        old="self._places.acquire(timeout=PATIENCE)",
        new="self._places.acquire(timeout=3.0)",
        tests=(CONNECTIONS + "test_a_borrower_waits_for_a_while_and_no_longer",),
    ),
    Mutation(
        proves="cells: a connection that is not answered",
        file="app/pumice/sessions/connections.py",
        old="UNANSWERED if timeout is None else timeout",
        new="timeout",
        tests=(CONNECTIONS + "test_a_statement_that_goes_unanswered_ends_its_connection",),
    ),
    Mutation(
        proves="cells: the front's connections for queries",
        file="app/pumice/sessions/engine.py",
        old='"statement_timeout": f"{limit}s",',
        new='"statement_timeout": "0",',
        tests=(CONNECTIONS + "test_a_slow_query_of_a_front_is_ended",),
    ),
    Mutation(
        proves="a Postgres that refuses writes is away, and heals",
        file="app/pumice/sessions/away.py",
        old=', "25006"}',
        new="}",
        tests=(REFUSES + "test_writes_that_are_refused_are_503_and_turns_are_kept",),
    ),
    Mutation(
        proves="a limit of a statement is no server that is away",
        file="app/pumice/sessions/away.py",
        old='"53", "57"',
        new='"53", "54", "57"',
        tests=(COMMITTER + "test_a_state_that_no_index_can_hold_fails_its_turn_and_holds_up_nobody",),
    ),
    Mutation(
        proves="a session that can save nothing harms no other",
        file="workers/pumice_workers/committer.py",
        old="        with suppress(psycopg.Error):\n            try:",
        new="        if True:\n            try:",
        tests=(COMMITTER + "test_a_session_that_can_save_nothing_fails_alone",),
    ),
    Mutation(
        proves="a failover is followed without a restart",
        file="app/pumice/sessions/away.py",
        old='target_session_attrs="read-write"',
        new='target_session_attrs="any"',
        tests=(CONNECTIONS + "test_a_failover_is_followed_without_a_restart",),
    ),
    Mutation(
        proves="a red readyz says that Postgres takes no writes",
        file="app/pumice/sessions/readiness.py",
        old="            connection.execute(WRITE, (os.urandom(BODY),))\n",
        new="",
        tests=(REFUSES + "test_writes_that_are_refused_are_503_and_turns_are_kept",),
    ),
)
