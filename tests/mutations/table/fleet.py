"""Deliberate bugs in what is done to many sessions, in erasing, and in what models and tools answered."""

from tests.mutations.mutation import Mutation

FLEET = "tests/integration/test_fleet.py::"
STEPS = "tests/integration/test_operation_steps.py::"
MIGRATIONS = "tests/integration/test_operation_migrations.py::"
CANARY = "tests/integration/test_canary.py::"
ERASURE = "tests/integration/test_erasure.py::"
MODELS = "tests/integration/test_replay_models.py::"

ROWS = (
    Mutation(
        proves="an operation does nothing twice",
        file="app/pumice/sessions/queries.py",
        old="SessionRow.created_at <= cast(before, DateTime(True))",
        new="SessionRow.created_at > cast('-infinity', DateTime(True))",
        tests=(FLEET + "test_they_are_forked_and_what_was_forked_is_not_forked_again",),
    ),
    Mutation(
        proves="an operation can be stopped",
        file="app/pumice/sessions/operations.py",
        old="update operations set status = 'stopped', finished_at = clock_timestamp()",
        new="update operations set finished_at = clock_timestamp()",
        tests=(FLEET + "test_an_operation_can_be_stopped",),
    ),
    Mutation(
        proves="an operation outlives its worker",
        file="app/pumice/sessions/operation_rows.py",
        old="checked_at < clock_timestamp() - interval '5 seconds'",
        new="checked_at = '-infinity'",
        tests=(FLEET + "test_what_a_worker_that_is_killed_began_another_ends_and_nothing_is_done_twice",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/sessions/operations.py",
        old="from operations where agent_id = %(agent)s and id = %(id)s::uuid",
        new="from operations where id = %(id)s::uuid",
        tests=(FLEET + "test_operations_are_listed_and_each_agent_has_its_own",),
    ),
    Mutation(
        proves="an erasure leaves no trace",
        file="app/pumice/sessions/traces.py",
        old="    reports, requests = transaction.fetch(REPORTS, key)[0]\n",
        new="    reports, requests = 1, 0\n",
        tests=(ERASURE + "test_nothing_stays_and_what_went_is_told",),
    ),
    Mutation(
        proves="an erasure leaves no trace",
        file="app/pumice/sessions/erasure.py",
        old="            over = False\n            while not over:\n",
        new="            over = True\n            while not over:\n",
        tests=(ERASURE + "test_what_a_deletion_left_for_forks_goes_too",),
    ),
    Mutation(
        proves="11",
        file="app/pumice/sessions/erasure.py",
        old="        if others and not self._forks:",
        new="        if others and not self._forks and not found:",
        tests=(ERASURE + "test_forks_are_named_and_stay_unless_they_are_asked_for",),
    ),
    Mutation(
        proves="quiet forks do nothing outside",
        file="app/pumice/agents/models.py",
        old="    if turn.answers is not None and turn.answers.responses is None:",
        new="    if turn.answers is not None and turn.answers.responses == 0:",
        tests=(MODELS + "test_a_quiet_fork_asks_no_model",),
    ),
    Mutation(
        proves="replays ask nobody",
        file="app/pumice/agents/models.py",
        old="            return _recorded(agent.turn.answers.tool(agent, call_id))\n",
        new="            _recorded(agent.turn.answers.tool(agent, call_id))\n            agent.turn.recorder = None\n",
        tests=(MODELS + "test_recorded_answers_come_out_the_same_and_nobody_is_asked",),
    ),
    Mutation(
        proves="replays ask nobody",
        file="app/pumice/agents/recordings.py",
        old='    for call in tool.pop("calls", []):',
        new='    for call in tool.pop("none", []):',
        tests=(MODELS + "test_recorded_answers_come_out_the_same_and_nobody_is_asked",),
    ),
    Mutation(
        proves="a canary has a share of the sessions",
        file="workers/pumice_workers/wake_runner.py",
        old="        if releases.own == STABLE:\n",
        new="        if releases.own != STABLE:\n",
        tests=("tests/integration/test_canary.py::test_a_share_goes_to_the_canary_and_the_rest_stays",),
    ),
    Mutation(
        proves="a canary has a share of the sessions",
        file="app/pumice/sessions/conditions.py",
        old="return and_(part >= share.above, part < share.parts)",
        new="return and_(part >= share.above, part >= share.parts)",
        tests=("tests/integration/test_canary.py::test_the_command_names_points_and_goes_back_to_them",),
    ),
    Mutation(
        proves="a canary has a share of the sessions",
        file="workers/pumice_workers/releases.py",
        old="for one in found if one.workers}",
        new="for one in found}",
        tests=("tests/integration/test_canary.py::test_without_workers_of_its_release_the_stable_ones_run_them",),
    ),
    Mutation(
        proves="a baseline is the old code",
        file="app/pumice/sessions/replay_results.py",
        old='turn["changed"] = any(to_text(one["baseline"]) != to_text(one["candidate"]) for one in found)',
        new='turn["changed"] = bool(found)',
        tests=("tests/integration/test_replay.py::test_a_baseline_and_a_candidate_run_on_workers_of_their_releases",),
    ),
    Mutation(
        proves="conditions use declared indexes",
        file="app/pumice/sessions/conditions.py",
        old="    return and_(begins, _compare(where.text, asked, value))",
        new="    return _compare(where.text, asked, value)",
        tests=("tests/integration/test_indexes.py::test_conditions_use_them",),
    ),
    Mutation(
        proves="10",
        file="app/pumice/sessions/operation_migration.py",
        old="    except BaseException as error:",
        new="    except LookupError as error:",
        tests=(FLEET + "test_states_of_the_version_before_are_migrated_and_what_does_not_fit_stays",),
    ),
    Mutation(
        proves="an operation is done where its condition holds",
        file="app/pumice/sessions/operation_check.py",
        old="            as_sql(condition),\n",
        new="",
        tests=(STEPS + "test_one_for_which_the_condition_does_not_hold_any_more_is_left_alone",),
    ),
    Mutation(
        proves="an operation is done where its condition holds",
        file="app/pumice/sessions/operation_check.py",
        old="        if self._looks_at_state:\n",
        new="        if not self._looks_at_state:\n",
        tests=(STEPS + "test_a_state_that_is_stale_when_its_turn_comes_is_asked_as_it_is",),
    ),
    Mutation(
        proves="an operation outlives its worker",
        file="app/pumice/sessions/operation_steps.py",
        old="if progress.begin(session_id) > TAKES:",
        new="if progress.begin(session_id) > 2**31:",
        tests=(MIGRATIONS + "test_a_session_that_ends_its_worker_is_given_up",),
    ),
    Mutation(
        proves="an operation deletes no session half",
        file="app/pumice/sessions/operation_rows.py",
        old="  where (status = 'running' or begun)",
        new="  where (status = 'running')",
        tests=(STEPS + "test_it_is_brought_to_its_end_even_if_the_operation_is_stopped",),
    ),
    Mutation(
        proves="an erasure takes no other session",
        file="app/pumice/sessions/tombs.py",
        old="former_id = id,",
        new="former_id = 'x',",
        tests=(ERASURE + "test_what_a_deletion_left_for_forks_goes_too",),
    ),
    Mutation(
        proves="a canary goes back to where it began",
        file="app/pumice/cli/canary.py",
        old="    while not canaries.is_known(store, found, since):\n",
        new="    while False:\n",
        tests=(CANARY + "test_nothing_is_restored_before_the_canarys_workers_know_that_it_was_stopped",),
    ),
    Mutation(
        proves="an index keeps no text from being stored",
        file="app/pumice/sessions/places.py",
        old="    return func.left(text, INDEXED_CHARACTERS,",
        new="    return func.left(text, 100_000,",
        tests=("tests/integration/test_indexes.py::test_metadata_that_is_indexed_may_be_as_long_as_any",),
    ),
    Mutation(
        proves="recording fails no turn",
        file="app/pumice/agents/recordings.py",
        old="    except SerializationError:\n        return None\n",
        new="    except LookupError:\n        return None\n",
        tests=("tests/unit/test_models.py::test_what_a_tool_leaves_in_the_state_for_another_fails_no_turn",),
    ),
)
