"""Deliberate bugs in how events and replies reach clients."""

from tests.mutations.mutation import Mutation

SLOW = "tests/integration/test_slow_clients.py::"
RESUME = "tests/integration/test_resume.py::"
EVENTS = "tests/integration/test_session_events.py::"
ENDS = "tests/integration/test_credentials_end.py::"

ROWS = (
    Mutation(
        proves="cells: what waits for a client",
        file="app/pumice/web/http/backlog.py",
        old="if waiting[0] > EVENTS or (waiting[1] > self._of_client and waiting[0] > 1):",
        new="if waiting[0] > EVENTS * 100:",
        tests=("tests/unit/test_backlog.py::test_a_client_over_its_own_bound_is_cut_off",),
    ),
    Mutation(
        proves="cells: what waits for all clients of a front",
        file="app/pumice/web/http/backlog.py",
        old="while self._all > self._of_front and self._waiting:",
        new="while False:",
        tests=("tests/unit/test_backlog.py::test_of_all_clients_those_for_whom_most_waits_are_cut_off",),
    ),
    Mutation(
        proves="cells: the front's subscriber thread, when a stream fails at an event",
        file="app/pumice/web/http/watch.py",
        old="            self._broken()\n            return False",
        new="            raise",
        tests=("tests/integration/test_watchdog.py::test_a_stream_that_fails_at_an_event_holds_up_no_other",),
    ),
    Mutation(
        proves="10",
        file="app/pumice/web/http/watchdog.py",
        old="if self._working is not None and now - self._working > STUCK:",
        new="if self._working is not None and now - self._working > 1000 * STUCK:",
        tests=("tests/integration/test_watchdog.py::test_a_stuck_subscriber_turns_readyz_red",),
    ),
    Mutation(
        proves="10",
        file="app/pumice/web/http/subscriber.py",
        old="""        \"\"\"Redis did not answer in time: nobody waits for it until it says something.\"\"\"
        self.live = False
""",
        new="        pass\n",
        tests=("tests/integration/test_redis_stopped.py::test_no_stream_waits_for_it",),
    ),
    Mutation(
        proves="a client that reconnects runs nothing",
        file="app/pumice/web/chat/routes.py",
        old='read_cursor(request.headers.get("last-event-id"))) is not None:',
        new='read_cursor(request.headers.get("last-event-id"))) is not None and cursor.told:',
        tests=(RESUME + "test_it_goes_on_with_its_chat_and_runs_nothing",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/web/streams/sse.py",
        old="return row if row is not None and session_id in {None, row.session_id} else None",
        new="return row",
        tests=(RESUME + "test_the_chat_of_another_session_is_not_found",),
    ),
    Mutation(
        proves="what was sent comes only once",
        file="app/pumice/web/streams/interaction_stream.py",
        old='self._told = resumed.told if resumed is not None else ""',
        new='self._told = ""',
        tests=(RESUME + "test_what_it_has_got_comes_only_once",),
    ),
    Mutation(
        proves="another tab sees the question",
        file="workers/pumice_workers/committer.py",
        old="and not outcome.announced:",
        new="and outcome.announced:",
        tests=(EVENTS + "test_another_tab_sees_the_question_and_the_answer",),
    ),
    Mutation(
        proves="the question comes before what is streamed, and once",
        file="workers/pumice_workers/turn_runner.py",
        old="                question.show()\n",
        new="",
        tests=(EVENTS + "test_the_question_comes_before_what_is_streamed",),
    ),
    Mutation(
        proves="watching makes no session",
        file="app/pumice/web/api/session_access.py",
        old="        _check_exists(front, spec, session_id)\n        if request.method",
        new="        if request.method",
        tests=(EVENTS + "test_watching_makes_no_session",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/web/http/open_streams.py",
        old="if one.digest in digests and one.digest not in valid:",
        new="if one.digest not in digests:",
        tests=(ENDS + "test_a_stream_of_a_revoked_key_ends",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/web/http/open_streams.py",
        old="if one.expires is not None and one.expires <= now:",
        new="if one.expires is None:",
        tests=(ENDS + "test_a_stream_whose_token_expires_ends",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/web/api/session_access.py",
        old="_admitted(front, agent_id, session_id, always=True)[0] if is_now",
        new="_admitted(front, agent_id, session_id)[0] if is_now",
        tests=(ENDS + "test_messages_need_a_token_whatever_the_agent_says",),
    ),
    Mutation(
        proves="ALLOWED_ORIGINS governs HTTP and sockets alike",
        file="app/pumice/web/http/cors.py",
        old="return origin is None or self.all or origin in self._allowed",
        new="return origin is None or self.all or any(origin.startswith(one) for one in self._allowed)",
        tests=("tests/integration/test_cors.py::test_another_origin_may_read_nothing",),
    ),
    Mutation(
        proves="FRAME_LIMIT counts bytes",
        file="app/pumice/web/sockets/connection.py",
        old="        count_bytes(ws)\n",
        new="",
        tests=("tests/integration/test_web_limits.py::test_it_counts_bytes",),
    ),
    Mutation(
        proves="cells: the front, when a socket floods it",
        file="app/pumice/web/sockets/session.py",
        old="if len(self._stream_ends) >= limit:",
        new="if len(self._stream_ends) >= 1000 * limit:",
        tests=("tests/integration/test_web_limits.py::test_a_socket_that_floods_is_told_to_wait",),
    ),
)
