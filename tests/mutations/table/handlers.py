"""Bugs at the boundary of authors' code, and in how a worker's agents share it."""

from tests.mutations.mutation import Mutation

BOUNDARY = "tests/integration/test_boundary.py::"

ENDS = (
    Mutation(
        proves="10",
        file="app/pumice/agents/failures.py",
        old="        return tell()\n    except BaseException:",
        new="        return tell()\n    except Exception:",
        tests=("tests/unit/test_agents_failures.py::test_an_exception_whose_text_exits_is_a_failure_too",),
    ),
    Mutation(
        proves="10",
        file="app/pumice/agents/boundary.py",
        old='            log.exception("loop_interrupted", turns=len(blamed))\n',
        new='            log.exception("loop_interrupted", turns=len(blamed))\n            return\n',
        tests=(f"{BOUNDARY}test_a_task_that_nobody_awaits_ends_its_turn_alone",),
    ),
    Mutation(
        proves="cells: context variables",
        file="workers/pumice_workers/turn_runner.py",
        old="call_in_fresh_context(drive, self._turn(run, work))",
        new="drive(self._turn(run, work))",
        tests=(f"{BOUNDARY}test_context_variables_stay_in_their_turn",),
    ),
    Mutation(
        proves="cells: what a turn left behind",
        file="app/pumice/agents/context.py",
        old="        self.is_over = True",
        new="        self.is_over = False",
        tests=(f"{BOUNDARY}test_what_a_turn_left_behind_is_refused",),
    ),
    Mutation(
        proves="cells: an instance's state",
        file="app/pumice/agents/live_session.py",
        old="            self._parsed = None  # the instance keeps its own: what it left behind may still change it",
        new="            self._parsed = agent.state",
        tests=("tests/unit/test_left_behind.py::test_a_turn_that_is_over_changes_no_state",),
    ),
    Mutation(
        proves="cells: a batch of events",
        file="app/pumice/agents/context.py",
        old="        if self._half or not text.isascii():",
        new="        if self._half:",
        tests=(f"{BOUNDARY}test_a_character_cut_in_two_is_joined_and_half_a_one_fails_its_own_turn",),
    ),
    Mutation(
        proves="cells: selectors on the front",
        file="app/pumice/web/http/author_code.py",
        old="PLACES = 32",
        new="PLACES = 1",
        tests=(f"{BOUNDARY}test_async_selectors_run_side_by_side",),
    ),
    Mutation(
        proves="cells: selectors on the front",
        file="app/pumice/agents/deliveries.py",
        old="isinstance(error, Problem) else type(error).__name__",
        new="isinstance(error, Problem) else repr(error)",
        tests=(f"{BOUNDARY}test_selectors_are_answered",),
    ),
)

SHARE = (
    Mutation(
        proves="10",
        file="workers/pumice_workers/scheduler.py",
        old="            for slot in self._slots:\n                slot.stuck =",
        new="            for slot in ():\n                slot.stuck =",
        tests=("tests/unit/test_scheduler.py::test_stuck_threads_are_replaced_and_one_agent_leaves_room_for_others",),
    ),
    Mutation(
        proves="10",
        file="workers/pumice_workers/wake_runner.py",
        old="        return run.age > BUDGET and self.scheduler.is_contended",
        new="        return False",
        tests=("tests/integration/test_fair_share.py::test_a_session_gives_way_to_another_of_the_same_agent",),
    ),
    Mutation(
        proves="cells: places on the loop",
        file="workers/pumice_workers/session_run.py",
        old="        return limit - len(self._on_loop) - self._by_agent[agent_id]",
        new="        return limit - len(self._on_loop)",
        tests=("tests/integration/test_fair_share.py::test_a_chat_is_answered_beside_handlers_that_hang",),
    ),
    Mutation(
        proves="cells: a worker's threads",
        file="workers/pumice_workers/watcher.py",
        old="            self._runner.scheduler.lose(run.slot)\n",
        new="",
        tests=("tests/integration/test_lost_threads.py::test_a_worker_that_lost_too_many_starts_anew",),
    ),
    Mutation(
        proves="10",
        file="workers/pumice_workers/scheduler.py",
        old="if held >= free or (crowded and (held or name != CHAT)):",
        new="if crowded:",
        tests=("tests/unit/test_scheduler.py::test_an_idle_agents_chat_starts_beside_those_that_hang",),
    ),
    Mutation(
        proves="10",
        file="workers/pumice_workers/scheduler.py",
        old="if held >= free or (crowded and (held or name != CHAT)):",
        new="if crowded and (held or name != CHAT):",
        tests=("tests/unit/test_scheduler.py::test_stuck_threads_are_replaced_and_one_agent_leaves_room_for_others",),
    ),
    Mutation(
        proves="cells: a place of the pool",
        file="workers/pumice_workers/wake_runner.py",
        old="            self.hand_back([run for run in runs if not run.is_submitted])\n",
        new="",
        tests=("tests/integration/test_unforeseen.py::test_what_leaves_a_thread_leaves_no_lease_behind",),
    ),
    Mutation(
        proves="cells: the event loop",
        file="workers/pumice_workers/wake_runner.py",
        old="                self._services.loop.spawn_in_thread(self.hand_back, [run])",
        new="                pass",
        tests=("tests/integration/test_unforeseen.py::test_what_leaves_a_task_of_the_loop_leaves_no_lease_behind",),
    ),
)

WATCH = (
    Mutation(
        proves="sharing",
        file="workers/pumice_workers/loop_watch.py",
        old="""            self._loop.excuse(since - BLOCKED / 2, now)
""",
        new="""            self._loop.excuse(since, now)
""",
        tests=("tests/unit/test_loop_watch.py::test_a_watcher_that_is_often_late_still_sees_it",),
    ),
    Mutation(
        proves="sharing",
        file="workers/pumice_workers/loop_watch.py",
        old="""            self._loop.excuse(since - BLOCKED / 2, now)
""",
        new="""            pass
""",
        tests=("tests/unit/test_loop_watch.py::test_a_process_that_stood_still_blames_nobody",),
    ),
)

ROWS = (*ENDS, *SHARE, *WATCH)
