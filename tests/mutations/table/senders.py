"""Deliberate bugs in what verifies webhooks, tells them apart, and notes them."""

from tests.mutations.mutation import Mutation

CONFORMANCE = "tests/integration/test_sources_conformance.py::"
HANDSHAKES = "tests/integration/test_sources_handshakes.py::"
ANSWERS = "tests/integration/test_sources_answers.py::"
DELIVERIES = "tests/integration/test_deliveries.py::"
COMMANDS = "tests/integration/test_cli_hooks.py::"

ROWS = (
    Mutation(
        proves="a request is old after a while",
        file="app/pumice/sources/timed_hmac.py",
        old="return time_refusal(time, self.unit, received.now, self.tolerance)",
        new="return None",
        tests=(CONFORMANCE + "test_one_signed_long_ago_or_in_the_future_is_refused[stripe]",),
    ),
    Mutation(
        proves="a body is signed",
        file="app/pumice/sources/body_hmac.py",
        old="signatures):\n            return",
        new="signatures) and not signatures:\n            return",
        tests=(CONFORMANCE + "test_one_bit_off_is_refused[github]",),
    ),
    Mutation(
        proves="every secret of a rotation counts",
        file="app/pumice/sources/digests.py",
        old="for one in expected for other in signatures",
        new="for one in expected[:1] for other in signatures",
        tests=(CONFORMANCE + "test_both_secrets_count_while_one_is_rotated[github]",),
    ),
    Mutation(
        proves="nothing is parsed before it is verified",
        file="app/pumice/agents/deliveries.py",
        old="    _verify(name, source, received, secrets_of)\n",
        new="    _ = request.json\n    _verify(name, source, received, secrets_of)\n",
        tests=(CONFORMANCE + "test_an_unsigned_one_is_refused_whatever_its_body[github]",),
    ),
    Mutation(
        proves="a sender's own id tells its deliveries apart",
        file="app/pumice/agents/deliveries.py",
        old="    if request.delivery_id is not None:\n",
        new="    if request.delivery_id is None:\n",
        tests=(CONFORMANCE + "test_one_repeated_after_success_runs_nothing[slack]",),
    ),
    Mutation(
        proves="no handler sees a sender's password",
        file="app/pumice/agents/deliveries.py",
        old="if pair[0].lower() not in secret]",
        new="if pair]",
        tests=(CONFORMANCE + "test_a_right_one_runs_with_its_event_and_id[gitlab]",),
    ),
    Mutation(
        proves="a signed handshake is verified first",
        file="app/pumice/agents/deliveries.py",
        old="if handshake.is_signed is not is_signed:",
        new="if is_signed:",
        tests=(HANDSHAKES + "test_slack_gets_its_challenge_back_once_it_has_signed",),
    ),
    Mutation(
        proves="a stranger's secret makes nothing valid",
        file="app/pumice/sessions/hook_secrets.py",
        old="where agent_id = %(agent)s and hook = %(hook)s and accepted_at is not null",
        new="where agent_id = %(agent)s and hook = %(hook)s",
        tests=(COMMANDS + "test_a_secret_that_was_handed_over_counts_once_it_is_accepted",),
    ),
    Mutation(
        proves="nothing that could be a delivery is signed for a stranger",
        file="app/pumice/sources/handshakes.py",
        old='SIGNED_CHALLENGE = re.compile(r"[A-Za-z0-9_+/=-]{1,256}")',
        new='SIGNED_CHALLENGE = re.compile(r".{1,256}")',
        tests=(HANDSHAKES + "test_x_gets_the_hmac_of_its_token_and_of_nothing_that_could_be_a_delivery",),
    ),
    Mutation(
        proves="a sender is answered in its time",
        file="app/pumice/web/hooks/answers.py",
        old="return reply_timeout if within is None else",
        new="return reply_timeout if within else",
        tests=(ANSWERS + "test_a_sender_in_a_hurry_is_answered_before_its_time_is_over",),
    ),
    Mutation(
        proves="no secret is shown",
        file="app/pumice/web/hooks/notes.py",
        old="body=shown_body(request.body[:BODY_BYTES], secrets)",
        new="body=request.body[:BODY_BYTES]",
        tests=(DELIVERIES + "test_no_secret_and_no_signature_is_stored_of_what_ran_no_turn",),
    ),
    Mutation(
        proves="what is noted is bounded",
        file="app/pumice/sessions/delivery_log.py",
        old="r.place > %(kept)s or",
        new="false or",
        tests=(DELIVERIES + "test_a_flood_of_refused_ones_is_bounded_and_pushes_out_nothing_else",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/sessions/deliveries.py",
        old="from interactions where id = %(id)s::uuid and agent_id = %(agent)s and kind = 'hook'",
        new="from interactions where id = %(id)s::uuid and kind = 'hook'",
        tests=(DELIVERIES + "test_each_agent_has_its_own",),
    ),
)
