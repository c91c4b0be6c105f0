"""Who is known by what, whose interaction ends, what counts as too much, and who is told what."""

from tests.mutations.mutation import Mutation

ACCEPT = "app/pumice/sessions/accept.py"
REPEATS = "app/pumice/sessions/repeats.py"
COMMITTER = "tests/integration/test_committer.py::"
LIMITS = "tests/integration/test_limits_over_fronts.py::"
ON_PROCESSES = "tests/integration/test_repeats.py::"

ROWS = (
    Mutation(
        proves="a public key's messages have the agent's roles",
        file="app/pumice/agents/chats.py",
        old="        if one.role not in allowed:\n",
        new="        if one.role in allowed and one.role != 'user':\n",
        tests=("tests/integration/test_roles.py::test_a_public_key_speaks_as_a_user_only",),
    ),
    Mutation(
        proves="tool transcripts are kept",
        file="app/pumice/agents/messages.py",
        old="{KEPT: fields} if fields else None",
        new="None",
        tests=("tests/integration/test_roles.py::test_a_tool_transcript_is_kept",),
    ),
    Mutation(
        proves="4",
        file=ACCEPT,
        old="    source, key = one.dedupe or (None, None)\n        body_at",
        new="    source, key = None, None\n        body_at",
        tests=("tests/integration/test_sessions_accept.py::test_a_delivery_that_comes_twice_in_one_batch",),
    ),
    Mutation(
        proves="4",
        file=REPEATS,
        old="    and n.session_id = w.session_id and n.dedupe_key",
        new="    and n.dedupe_key",
        tests=("tests/integration/test_sessions_accept.py::test_any_batches_accept_each_delivery_once",),
    ),
    Mutation(
        proves="4",
        file=REPEATS,
        old="and i.attempts = w.attempts order by",
        new="and i.attempts < 0 order by",
        tests=(
            f"{ON_PROCESSES}test_a_delivery_that_failed_runs_again_when_it_is_repeated",
            "tests/integration/test_sessions_repeats.py::test_deliveries_are_recognised_and_heal",
        ),
    ),
    Mutation(
        proves="4",
        file=REPEATS,
        old="  i.status <> 'queued' and i.accepted_at",
        new="  i.accepted_at",
        tests=("tests/integration/test_sessions_repeats.py::test_deliveries_are_recognised_and_heal",),
    ),
    Mutation(
        proves="4",
        file="app/pumice/web/http/intake.py",
        old="        if accepted.differs:\n",
        new="        if accepted.differs and not accepted.duplicate:\n",
        tests=(f"{ON_PROCESSES}test_a_key_with_another_body_is_refused_whatever_became_of_the_first",),
    ),
    Mutation(
        proves="4",
        file="app/pumice/sessions/expiry.py",
        old="""i.status <> 'queued'
    and (i.dedupe_key is null or i.accepted_at < now() - %(window)s * interval '1 second')
), longest""",
        new="""i.status <> 'queued'
), longest""",
        tests=(
            "tests/integration/test_repeats.py::test_a_chat_without_a_session_is_recognised_after_its_session_is_over",
        ),
    ),
    Mutation(
        proves="2",
        file="app/pumice/sessions/commit.py",
        old="= (select sum(turns) from held) then true",
        new="<= (select sum(turns) from held) then true",
        tests=(
            "tests/integration/test_sessions_commit.py::test_a_turn_whose_interaction_was_closed_changes_nothing",
            "tests/integration/test_sessions_commit.py::test_a_commit_that_closes_meanwhile_lets_go_of_the_session",
        ),
    ),
    Mutation(
        proves="2",
        file="workers/pumice_workers/committer.py",
        old=" if one.cut is None}",
        new="}",
        tests=(f"{COMMITTER}test_turns_before_a_closed_one_are_committed_and_told_and_the_rest_is_woken",),
    ),
    Mutation(
        proves="2",
        file="app/pumice/sessions/running.py",
        old="    if announced:\n",
        new="    if announced and not could:\n",
        tests=(
            "tests/integration/test_running.py::test_the_one_that_runs_is_cancelled",
            "tests/integration/test_running.py::test_the_one_that_runs_is_not_dropped_for_a_newer_chat",
        ),
    ),
    Mutation(
        proves="cells: the group accept",
        file="app/pumice/web/http/group_accept.py",
        old="        self._store = StoreConnection(settings, lock_wait=LOCK_WAIT)\n",
        new="        self._store = StoreConnection(settings)\n",
        tests=("tests/integration/test_accept_locks.py::test_who_waits_for_a_lock_holds_up_no_other_session",),
    ),
    Mutation(
        proves="cells: the group accept",
        file="app/pumice/web/http/set_aside.py",
        old="                over = [entry for entry in entries if entry[0] < now]\n",
        new="                over = [entry for entry in entries if entry[0] < 0 * now]\n",
        tests=("tests/integration/test_accept_locks.py::test_who_waits_too_long_is_told_so_and_nothing_is_written",),
    ),
    Mutation(
        proves="cells: a queue's limit",
        file="app/pumice/sessions/queue_lengths.py",
        old="status = 'queued'\n  and available_at <= clock_timestamp() limit",
        new="status = 'queued'\n  limit",
        tests=(f"{LIMITS}test_what_is_scheduled_for_later_takes_no_room",),
    ),
    Mutation(
        proves="what an exception says is for the secret key alone",
        file="app/pumice/web/api/documents.py",
        old='("attempt", "code", "type")',
        new='("attempt", "code", "type", "message")',
        tests=("tests/integration/test_who_is_told.py::test_an_interaction_tells_its_failure_by_code_and_type",),
    ),
    Mutation(
        proves="what an exception says is for the secret key alone",
        file="app/pumice/sessions/finished.py",
        old="        return TurnFailed(interactionId=self.id)\n",
        new="        return TurnFailed(message, interactionId=self.id)\n",
        tests=("tests/integration/test_who_is_told.py::test_answers_streams_and_sockets_do_not_tell",),
    ),
    Mutation(
        proves="4",
        file="app/pumice/web/chat/routes.py",
        old="        unnamed=unnamed,\n",
        new="        unnamed=True,\n",
        tests=("tests/integration/test_tokens.py::test_a_repeat_gets_no_other_sessions_answer",),
    ),
    Mutation(
        proves="cells: a queue's limit",
        file="app/pumice/web/http/limits.py",
        old="            return self._share_of(self._limit) == 0 or (share is not None and share.allowed == 0)",
        new="            return False",
        tests=(f"{LIMITS}test_two_fronts_at_the_same_moment_take_no_more_than_the_limit",),
    ),
)
