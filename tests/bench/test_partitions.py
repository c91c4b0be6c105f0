"""The definitions of indexes that partitions need are made of today's."""

from tests.bench.partitions.__main__ import rounded
from tests.bench.partitions.schemas import holding, on_partition

KEY = "CREATE UNIQUE INDEX interactions_pkey ON public.interactions USING btree (id)"
RUNS = "CREATE UNIQUE INDEX runs ON public.interactions USING btree (agent_id, session_id) WHERE (kind = 'job'::text)"


def test_a_unique_index_gets_the_columns_of_the_key_that_it_lacks() -> None:
    assert holding(KEY, ("agent_id", "session_id")) == KEY.replace("(id)", "(id, agent_id, session_id)")
    assert holding(RUNS, ("agent_id", "session_id")) == RUNS
    assert holding(RUNS, ("id",)) == RUNS.replace("session_id)", "session_id, id)")


def test_a_partition_has_the_index_under_a_name_of_its_own() -> None:
    assert on_partition(KEY, 2) == KEY.replace("interactions_pkey", "interactions_pkey_2").replace(
        "public.interactions ", "public.interactions_2 "
    )


def test_figures_are_as_long_as_they_are_known() -> None:
    assert [rounded(number) for number in (0.1049, 2.345, 81.25, 13_038.9)] == ["0.105", "2.35", "81.2", "13,039"]
