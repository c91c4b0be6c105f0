"""What comes in from clients: its bounds in time, bytes and memory, and what is refused as a problem."""

from tests.mutations.mutation import Mutation

READING = "tests/unit/test_gunicorn_reading.py"
REFUSALS = "tests/integration/test_web_refusals.py"
BODIES = "cells: bodies that are being read"
HUB = "cells: the front's greenlets"

ROWS = (
    Mutation(
        proves="cells: a front's connections",
        file="app/pumice/web/gunicorn_reading.py",
        old="if left <= 0:",
        new="if left <= -60:",
        tests=(f"{READING}::test_a_head_must_come_in_time_also_when_it_never_pauses",),
    ),
    Mutation(
        proves="cells: a front's connections",
        file="app/pumice/web/gunicorn_reading.py",
        old="if self._taken > HEAD_LIMIT:",
        new="if self._taken > 100 * HEAD_LIMIT:",
        tests=(f"{READING}::test_a_head_is_bounded",),
    ),
    Mutation(
        proves=BODIES,
        file="app/pumice/web/gunicorn_reading.py",
        old="if self._taken + len(data) > self._wire_limit:",
        new="if self._taken < 0:",
        tests=(f"{READING}::test_what_a_body_may_take_on_the_wire_is_bounded",),
    ),
    Mutation(
        proves=BODIES,
        file="app/pumice/web/gunicorn_reading.py",
        old="self._budget.give_back(self._address, self._taken)",
        new="self._taken = 0",
        tests=(f"{READING}::test_the_next_request_begins_anew",),
    ),
    Mutation(
        proves=BODIES,
        file="app/pumice/web/gunicorn_reading.py",
        old="self._budget.take(address, len(data))",
        new="self._since += 0",
        tests=(
            "tests/integration/test_web_load.py::test_an_address_gets_half_of_the_budget_and_is_told_when_to_come_again",
        ),
    ),
    Mutation(
        proves=BODIES,
        file="app/pumice/web/http/body_budget.py",
        old="limit // SHARE",
        new="limit",
        tests=("tests/unit/test_client_address.py::test_an_address_has_a_share_and_all_have_a_limit",),
    ),
    Mutation(
        proves=HUB,
        file="app/pumice/agents/body_bounds.py",
        old='raise TooLarge(f"The JSON body holds more than {JSON_VALUES} values.")',
        new="return",
        tests=("tests/unit/test_body_bounds.py::test_json_has_a_bounded_number_of_values",),
    ),
    Mutation(
        proves=HUB,
        file="app/pumice/agents/forms.py",
        old='if body.count(b"&") >= FORM_FIELDS:',
        new="if not FORM_FIELDS:",
        tests=("tests/unit/test_body_bounds.py::test_forms_have_a_bounded_number_of_fields",),
    ),
    Mutation(
        proves="refusals are problems",
        file="app/pumice/web/gunicorn_worker.py",
        old="client.sendall(written(refusal(exc)))",
        new="refusal(exc)",
        tests=(f"{REFUSALS}::test_what_is_no_http_is_malformed",),
    ),
    Mutation(
        proves="refusals are problems",
        file="app/pumice/web/sockets/handshake.py",
        old="        check_handshake(request.environ)",
        new="        pass",
        tests=(f"{REFUSALS}::test_a_handshake_that_is_not_whole",),
    ),
    Mutation(
        proves="a lost connection is no error of ours",
        file="app/pumice/web/gunicorn_parser.py",
        old='raise Malformed("the connection ended before the body was complete") from None',
        new="raise",
        tests=(f"{REFUSALS}::test_bad_chunks_are_malformed_and_end_the_connection",),
    ),
    Mutation(
        proves="a key is checked before the body is read",
        file="app/pumice/web/chat/routes.py",
        old="if given is not None:",
        new="if given is None:",
        tests=(f"{REFUSALS}::test_a_key_is_checked_before_the_body_is_read",),
    ),
    Mutation(
        proves="bodies in chunks are read everywhere",
        file="app/pumice/web/api/control.py",
        old='json_object(request, optional=True).get("queued", False)',
        new="False",
        tests=(f"{REFUSALS}::test_a_body_of_chunks_is_read_where_a_body_is_optional",),
    ),
    Mutation(
        proves="cells: an agent's sessions",
        file="app/pumice/web/http/new_sessions.py",
        old="begun = max(begun, _count_everywhere(counters, counted))",
        new="begun = max(begun, 0)",
        tests=("tests/integration/test_new_sessions.py::test_chats_begin_so_many_sessions_over_all_fronts",),
    ),
    Mutation(
        proves="cells: an agent's sessions",
        file="app/pumice/web/http/client_address.py",
        old="entries[-proxies]",
        new="entries[0]",
        tests=("tests/unit/test_client_address.py::test_only_what_trusted_proxies_say_is_believed",),
    ),
)
