"""Deliberate bugs in outgoing events: what leaves, how often, signed how, and where to."""

from tests.mutations.mutation import Mutation

STEPS = "tests/integration/test_outgoing_steps.py::"
ATTEMPTS = "tests/integration/test_outgoing_attempts.py::"
UNIT = "tests/unit/test_outgoing.py::"
SENDING = "app/pumice/sessions/outgoing_steps.py"

ROWS = (
    Mutation(
        proves="an event leaves only with its turn's commit",
        file="app/pumice/sessions/commit.py",
        old="join held h on h.place = e.session\n",
        new="join changed h on h.place = e.session\n",
        tests=(STEPS + "test_a_commit_writes_events_of_the_turns_that_it_saves",),
    ),
    Mutation(
        proves="what a lost lease came to is not recorded",
        file=SENDING,
        old="d.claims = r.claims\n    and d.claimed_until is not null\n",
        new="d.claims >= r.claims\n    and d.claimed_until is not null\n",
        tests=(STEPS + "test_what_a_lease_that_is_over_came_to_is_not_recorded",),
    ),
    Mutation(
        proves="a record that is done again counts once",
        file=SENDING,
        old="d.claims = r.claims\n    and d.claimed_until is not null\n",
        new="d.claims = r.claims\n",
        tests=(STEPS + "test_what_a_lease_that_is_over_came_to_is_not_recorded",),
    ),
    Mutation(
        proves="a claim is no other worker's for a while",
        file=SENDING,
        old="    next_at = clock_timestamp() + %(lease)s * interval '1 second'\n",
        new="    next_at = d.next_at\n",
        tests=(STEPS + "test_what_a_lease_that_is_over_came_to_is_not_recorded",),
    ),
    Mutation(
        proves="cells: places for outgoing events",
        file=SENDING,
        old="case when f.failing_since is null then %(each)s else 1 end",
        new="%(each)s",
        tests=(STEPS + "test_an_endpoint_that_fails_gets_one_at_a_time",),
    ),
    Mutation(
        proves="cells: places for outgoing events",
        file="app/pumice/outgoing/sharing.py",
        old="    return free <= 0 or count * PART >= free\n",
        new="    return free <= 0\n",
        tests=(UNIT + "test_however_many_agents_hang_there_is_room_for_one_more",),
    ),
    Mutation(
        proves="cells: places for outgoing events",
        file="app/pumice/outgoing/attempt.py",
        old="            async with asyncio.timeout(TIME_LIMIT):\n",
        new="            async with asyncio.timeout(6):\n",
        tests=(ATTEMPTS + "test_an_attempt_ends_in_time_however_slow_the_endpoint_is",),
    ),
    Mutation(
        proves="cells: the network that workers are in",
        file="app/pumice/outgoing/attempt.py",
        old="allowed(target, await look_up_beside(target, self._resolve), self._private)",
        new="await look_up_beside(target, self._resolve)",
        tests=(ATTEMPTS + "test_a_name_that_turns_private_after_it_was_checked_is_not_called",),
    ),
    Mutation(
        proves="cells: the network that workers are in",
        file="app/pumice/outgoing/addresses.py",
        old="        if inner is not None or address not in UNICAST or any(address in one for one in STRANGE):\n",
        new="        if address not in UNICAST and inner is None:\n",
        tests=(UNIT + "test_addresses_that_are_not_public_are_refused",),
    ),
    Mutation(
        proves="the certificate is the name's",
        file="app/pumice/outgoing/http_post.py",
        old="                server_hostname=target.host,\n",
        new="                server_hostname=str(addresses[0][1][0]),\n",
        tests=(ATTEMPTS + "test_the_name_is_resolved_once_and_its_certificate_verified",),
    ),
    Mutation(
        proves="both secrets sign while one is rotated out",
        file="app/pumice/outgoing/signatures.py",
        old="*([one.previous] if one.previous else [])",
        new="",
        tests=(UNIT + "test_the_library_of_standard_webhooks_takes_the_signature_and_the_body_is_as_documented",),
    ),
    Mutation(
        proves="what waits for an active endpoint is not swept",
        file="app/pumice/sessions/outgoing_events.py",
        old="e.status = 'active'\n      where d.event_id = v.id and d.status = 'pending')\n",
        new="e.status = 'active'\n      where false)\n",
        tests=(STEPS + "test_old_events_go_unless_they_wait_for_an_active_endpoint",),
    ),
)
