"""Deliberate bugs in what goes out and comes in as a file, and in what two points are told to differ by."""

from tests.mutations.mutation import Mutation

FILE = "tests/unit/test_session_file.py::"
PATCH = "tests/unit/test_json_patch.py::"
ROUTES = "tests/integration/test_export.py::"
HISTORIES = "tests/integration/test_export_histories.py::"
RECORDED = "tests/unit/test_testing_recorded.py::"

ROWS = (
    Mutation(
        proves="a difference between two states is exact",
        file="app/pumice/agents/json_patch.py",
        old="""            found.append({"op": "move", "from": where, "path": where})
""",
        new="            continue\n",
        tests=(PATCH + "test_a_difference_is_exact",),
    ),
    Mutation(
        proves="a difference between two states is exact",
        file="app/pumice/agents/json_patch.py",
        old="return one is other or (one.__class__ is other.__class__ and bool(_identity(one) == _identity(other)))",
        new="return bool(one == other)",
        tests=(PATCH + "test_a_difference_is_exact", PATCH + "test_one_change_is_one_operation"),
    ),
    Mutation(
        proves="a file that was changed or cut off is not imported",
        file="app/pumice/agents/session_file.py",
        old="if line.sha256 != self._hash.hexdigest():",
        new="if False:",
        tests=(FILE + "test_what_is_broken_is_refused_by_its_line",),
    ),
    Mutation(
        proves="a file that was changed or cut off is not imported",
        file="app/pumice/agents/session_file.py",
        old="    if not reader.ended:\n",
        new="    if False:\n",
        tests=(FILE + "test_a_file_that_was_cut_off_is_noticed",),
    ),
    Mutation(
        proves="9",
        file="app/pumice/agents/session_checks.py",
        old="if self._agent_id not in {None, line.agent}:",
        new="if False:",
        tests=(FILE + "test_a_file_of_another_agent_is_refused",),
    ),
    Mutation(
        proves="redact sees every line, states whole",
        file="app/pumice/agents/session_file.py",
        old="if left is None and not isinstance(line, Header):",
        new="if left is None:",
        tests=(FILE + "test_what_redact_breaks_is_named_by_its_line",),
    ),
    Mutation(
        proves="redact is applied to every export",
        file="app/pumice/web/api/export_routes.py",
        old="redaction_of(spec.cls))",
        new="None)",
        tests=(ROUTES + "test_redact_sees_every_line_of_an_export",),
    ),
    Mutation(
        proves="an imported session runs nothing that was queued",
        file="app/pumice/sessions/importing.py",
        old="Status.CANCELLED if queued else line.status",
        new="line.status",
        tests=(ROUTES + "test_what_was_queued_is_cancelled_and_runs_nowhere",),
    ),
    Mutation(
        proves="an import is whole, or nothing is imported",
        file="app/pumice/sessions/importing.py",
        old="        elif isinstance(line, End):\n            self._flush()\n",
        new="        elif isinstance(line, End):\n            pass\n",
        tests=(HISTORIES + "test_of_two_imports_of_one_id_one_is_whole_and_the_other_is_refused",),
    ),
    Mutation(
        proves="11",
        file="app/pumice/sessions/import_rows.py",
        old="order by r.place",
        new="order by r.id desc",
        tests=(HISTORIES + "test_a_session_that_went_through_a_file_is_the_same_at_every_point",),
    ),
    Mutation(
        proves="an export ends at its point",
        file="app/pumice/sessions/export_rows.py",
        old="and (i.point <= %(point)s or (i.point is null",
        new="and (i.point is not null or (i.point is null",
        tests=(ROUTES + "test_an_export_can_end_at_a_point",),
    ),
    Mutation(
        proves="cells: a front's disk and memory, when files are imported",
        file="app/pumice/web/api/export_routes.py",
        old="""        if taken > limit:
""",
        new="""        if False:
""",
        tests=(ROUTES + "test_a_file_beyond_the_limit_is_refused",),
    ),
    Mutation(
        proves="recorded turns are replayed from where the session stood before each",
        file="app/pumice/testing/recorded.py",
        old="before, is_known, stood = line.point, line.point.has_state, line.point.number",
        new="is_known, stood = line.point.has_state, line.point.number",
        tests=(RECORDED + "test_the_same_code_leaves_the_same",),
    ),
)
