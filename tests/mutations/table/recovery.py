"""Recovery: who is blamed for a crash, what rescue looks at first, and locked rows that hold up nobody."""

from tests.mutations.mutation import Mutation

LEASES = "app/pumice/sessions/leases.py"
PRESENCE = "app/pumice/sessions/presence.py"
RESCUE = "app/pumice/sessions/rescue.py"
SUSPECTS = "app/pumice/sessions/suspects.py"
OF_LEASES = "tests/integration/test_sessions_leases.py::test_"
OF_SCHEME = "tests/integration/test_sessions_suspects.py::test_only_culprits_are_blamed_and_everything_ends"
OF_RESCUE = "tests/integration/test_sessions_rescue.py::test_"

ROWS = (
    Mutation(
        proves="cells: the renewal of a worker's leases",
        file=LEASES,
        old="for update skip locked) s\n), renewed as (",
        new="for update) s\n), renewed as (",
        tests=(OF_LEASES + "a_locked_row_ends_no_lease",),
    ),
    Mutation(
        proves="cells: the renewal of a worker's leases",
        file=LEASES,
        old="select token, agent_id, id from held\n",
        new="select token, agent_id, id from free\n",
        tests=(OF_LEASES + "a_locked_row_ends_no_lease",),
    ),
    Mutation(
        proves="cells: leases given back together",
        file=LEASES,
        old="for update skip locked) s\n), released as (",
        new="for update) s\n), released as (",
        tests=(OF_LEASES + "a_locked_row_keeps_no_other_lease_from_going_back",),
    ),
    Mutation(
        proves="cells: the announcement of what runs",
        file=LEASES,
        old="i.started_at is null for update skip locked) i",
        new="i.started_at is null for update) i",
        tests=(OF_LEASES + "what_runs_is_announced_under_its_lease_alone",),
    ),
    Mutation(
        proves="cells: a pass of rescue",
        file=RESCUE,
        old="for update of s skip locked\n), placed as (",
        new="for update of s\n), placed as (",
        tests=(OF_RESCUE + "a_locked_session_does_not_hold_up_rescue",),
    ),
    Mutation(
        proves="cells: a pass of rescue",
        file=RESCUE,
        old="s.lease_token is not null for update of s skip locked",
        new="s.lease_token is not null for update of s",
        tests=(OF_RESCUE + "a_locked_session_of_a_lost_worker_does_not_hold_up_the_others",),
    ),
    Mutation(
        proves="7",
        file=RESCUE,
        old="update interactions i set wake_at = 'epoch'",
        new="update interactions i set wake_at = now()",
        tests=(OF_RESCUE + "a_lost_lease_is_seen_before_a_backlog",),
    ),
    Mutation(
        proves="8",
        file=RESCUE,
        old="r.alone and r.is_last as guilty",
        new="r.is_last as guilty",
        tests=(OF_RESCUE + "what_ran_together_is_split_until_each_is_alone_and_nothing_is_blamed", OF_SCHEME),
    ),
    Mutation(
        proves="8",
        file=RESCUE,
        old="case when size = 1 then -1 else 1 end",
        new="case when size < 9 then -1 else 1 end",
        tests=(OF_SCHEME,),
    ),
    Mutation(
        proves="8",
        file=RESCUE,
        old="r.alone and r.is_last as guilty",
        new="r.alone and r.is_head as guilty",
        tests=(OF_RESCUE + "the_last_to_start_is_blamed",),
    ),
    Mutation(
        proves="8",
        file=RESCUE,
        old="coalesce(i.started_at >= f.leased_at, false) as has_started",
        new="i.started_at is not null as has_started",
        tests=(OF_RESCUE + "an_announcement_under_an_older_lease_is_no_proof",),
    ),
    Mutation(
        proves="8",
        file="app/pumice/sessions/claim.py",
        old="case when s.probation then s.suspect_group = %(group)s else %(group)s = 0 end",
        new="(%(group)s = 0 or s.suspect_group = %(group)s)",
        tests=("tests/integration/test_sessions_claim.py::test_a_suspect_is_claimed_for_its_group_alone",),
    ),
    Mutation(
        proves="8",
        file="app/pumice/agents/failures.py",
        old="_judge(error, policy, attempt - crashes)",
        new="_judge(error, policy, attempt)",
        tests=("tests/unit/test_agents_failures.py::test_a_crash_uses_up_no_retry[1-retry]",),
    ),
    Mutation(
        proves="a suspect is trusted again only when it has nothing left to do",
        file=SUSPECTS,
        old="and i.status = 'queued' and i.available_at <= now())\n  for update of s skip locked",
        new="and i.status = 'nothing')\n  for update of s skip locked",
        tests=(OF_RESCUE + "only_who_has_nothing_left_to_do_is_trusted_again",),
    ),
    Mutation(
        proves="what no worker serves is put off until one does",
        file=RESCUE,
        old="transaction.fetch(SERVED_AGENTS)} or {",
        new="transaction.fetch(SERVED_AGENTS)} and {",
        tests=(OF_RESCUE + "what_no_worker_serves_is_put_off_until_one_does",),
    ),
    Mutation(
        proves="what no worker serves is put off until one does",
        file=PRESENCE,
        old="update interactions i set wake_at = now() from far f",
        new="update interactions i set wake_at = i.wake_at from far f",
        tests=(OF_RESCUE + "what_no_worker_serves_is_put_off_until_one_does",),
    ),
    Mutation(
        proves="what waits for long is woken ever less often",
        file=RESCUE,
        old="interval '1 second', now() - i.available_at)",
        new="interval '1 second', interval '0')",
        tests=(OF_RESCUE + "what_waits_for_long_is_woken_ever_less_often",),
    ),
    Mutation(
        proves="cells: the quarantine's place",
        file=SUSPECTS,
        old=" and seen_at > now() - %(silence)s * interval '1 second')",
        new=")",
        tests=("tests/integration/test_sessions_suspects.py::test_a_quarantine_that_is_not_seen_has_lost_its_place",),
    ),
)
