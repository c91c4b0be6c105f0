"""Bugs that break the guarantees of the README; more of each stand with the part of the product that keeps it."""

from tests.mutations.mutation import Mutation

RESCUE = "tests/integration/test_sessions_rescue.py"

ROWS = (
    Mutation(
        proves="1",
        file="app/pumice/web/http/group_accept.py",
        old="""        self._flusher.flush_here(ticket)
        ticket.over.acquire()
""",
        new="""        self._flusher.add(ticket)
        ticket.accepted = Accepted(wanted.id, wanted.session_id)
""",
        tests=("tests/integration/test_web_durable.py::test_the_answer_waits_for_the_commit",),
    ),
    Mutation(
        proves="1",
        file="app/pumice/sessions/accept.py",
        old="now() + %(grace)s * interval '1 second', reply_to\n",
        new="'infinity', reply_to\n",
        tests=("tests/acceptance/faults/test_front.py::test_killed_between_accept_and_wake",),
    ),
    Mutation(
        proves="5",
        file="workers/pumice_workers/rescue_loop.py",
        old="self._wakes.wake(Wake.of(*wake) for wake in findings.wakes)",
        new="list(findings.wakes)",
        tests=("tests/acceptance/faults/test_redis.py::test_interactions_are_accepted_without_it",),
    ),
    Mutation(
        proves="6",
        file="app/pumice/sessions/job_memory.py",
        old="decided_until = %(after)s and declaration",
        new="decided_until is not null and declaration",
        tests=("tests/integration/test_job_memory.py::test_a_decision_on_what_was_decided_meanwhile_is_refused",),
    ),
    Mutation(
        proves="6",
        file="app/pumice/sessions/fan_out.py",
        old="update ticks set zone = %(zone)s, cursor = %(cursor)s,",
        new="update ticks set zone = %(zone)s, cursor = chr(1114111),",
        tests=("tests/integration/test_sessions_ticks.py::test_a_fan_out_goes_on_where_another_stopped",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/sessions/queries.py",
        old="query = query.where(InteractionRow.agent_id == agent_id)",
        new="query = query.where(InteractionRow.agent_id != '')",
        tests=("tests/integration/test_web_tenants.py::test_interactions_by_id",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/web/http/auth.py",
        old="if key is None or (agent_id is not None and key.agent_id != agent_id):",
        new="if key is None:",
        tests=(
            "tests/integration/test_web_tenants.py::test_a_chat_by_path_creates_nothing",
            "tests/integration/test_web_tenants.py::test_a_socket_creates_nothing",
        ),
    ),
    Mutation(
        proves="3",
        file="workers/pumice_workers/committer.py",
        old="                unsure = True\n",
        new="                return []\n",
        tests=("tests/acceptance/faults/test_postgres.py::test_connection_cut_in_a_commit",),
    ),
    Mutation(
        proves="3",
        file="app/pumice/sessions/commit.py",
        old="  from calls order by place\n)",
        new="  from calls where false\n)",
        tests=("tests/acceptance/faults/test_postgres.py::test_connection_cut_in_a_commit",),
    ),
    Mutation(
        proves="5",
        file="workers/pumice_workers/tick_window.py",
        old="                hand_over(store, self.tick, list(chunk.pending))",
        new="                list(chunk.pending)",
        tests=("tests/integration/test_sessions_drain.py::test_a_wake_that_was_lost_is_left_to_rescue",),
    ),
    Mutation(
        proves="7",
        file="app/pumice/sessions/rescue.py",
        old="        if lost:\n",
        new="        if lost and crash_limit < 0:\n",
        tests=(f"{RESCUE}::test_a_worker_whose_connection_is_gone_is_noticed_before_its_leases_end",),
    ),
    Mutation(
        proves="2",
        file="workers/pumice_workers/wake_runner.py",
        old="        self._services.recheck.add(run.key for run in held if run.key not in more)\n",
        new="",
        tests=("tests/integration/test_web_turns.py::test_what_came_during_a_turn_runs_after_it_without_rescue",),
    ),
)
