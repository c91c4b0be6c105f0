"""`/v1/agents/<agent>/jobs` on a running front and worker."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.client import new_session
from tests.support.waiting import wait_until

NEW_YEAR = "2025-01-01T09:00:00+00:00"


class Jobs:
    """Calls an agent's job routes with its secret key."""

    def __init__(self, stack):
        self.agent, self.query = stack.agent("reminders"), stack.query

    def call(self, method, path="", status=200, **options):
        headers = options.pop("headers", self.agent.secret)
        done = self.agent.http.request(method, f"/v1/agents/reminders/jobs{path}", headers=headers, **options)
        assert done.status_code == status, done.text
        return done.json()

    def get(self, path="", status=200, **query):
        return self.call("GET", path, status, params=query)

    def post(self, path, status=200, body=None):
        return self.call("POST", path, status, **({} if body is None else {"json": body}))

    def listed(self, name):
        return next(one for one in self.get()["jobs"] if one["name"] == name)

    def told(self, job, session, at):
        return self.get(f"/{job}/explain", sessionId=session, at=at)

    def ended(self, job, session, at):
        """What became of a run, once it is over."""

        def over():
            found = self.told(job, session, at)
            return found if found["interactionId"] and found["outcome"] != "waiting" else None

        return wait_until(over, 20, f"the end of {job}")


@pytest.fixture
def jobs(stack):
    found = Jobs(stack)
    for table in ("jobs", "job_gaps", "ticks"):
        stack.query(f"delete from {table} where agent_id = 'reminders'")
    return found


@pytest.fixture
def session(jobs):
    name = new_session()
    jobs.agent.reply("pro", name)
    return name


def test_jobs_are_listed_as_they_are_declared_and_remembered(jobs):
    jobs.query("insert into jobs (agent_id, name, declaration) values ('reminders', 'billed', ''),"
               " ('reminders', 'gone', '')")  # fmt: skip
    jobs.query("insert into job_gaps values ('reminders', 'billed', '2024-01-01', '2024-01-03', 'paused', 3),"
               " ('reminders', 'billed', '2024-02-01', '2024-02-01', 'paused', 1),"
               " ('reminders', 'billed', '2024-03-01', '2024-03-01', 'folded', 1)")  # fmt: skip
    names = [one["name"] for one in jobs.get()["jobs"]]
    assert names == sorted(["billed", "broken", "everyone", "gone", "hourly", "local", "nightly", "remind"])
    found = jobs.listed("billed")
    assert (found["cron"], found["every"], found["timezone"], found["overlap"]) == ("0 9 1 1 *", None, "UTC", "skip")
    assert (found["catchUp"], found["jitter"], found["static"], found["temporary"]) == ("one", 60, False, False)
    assert (found["paused"], found["removed"], found["missed"]) == (False, False, {"paused": 4, "folded": 1})
    due = [datetime.fromisoformat(one) for one in (found["lastDue"], *found["nextDue"])]
    assert [one.year - due[0].year for one in due] == [0, 1, 2, 3]
    assert due[0] <= datetime.now(UTC) < due[1]
    hourly, gone, nightly = (jobs.listed(name) for name in ("hourly", "gone", "nightly"))
    assert (hourly["cron"], hourly["every"], hourly["anchor"], hourly["nextDue"]) == (None, 3600, "created", [])
    assert (gone["removed"], gone["cron"], gone["static"]) == (True, None, None)
    assert nightly["static"]


def test_a_local_job_is_next_due_in_the_first_zone(jobs, session):
    jobs.query("update sessions set timezone = 'Asia/Tokyo' where id = %s", session)
    hours = {datetime.fromisoformat(one).hour for one in jobs.listed("local")["nextDue"]}
    assert hours == {0, 9}


def test_a_run_in_one_session_runs_there(jobs, session):
    made = jobs.post("/remind/run", 202, {"sessionId": session})
    assert made["sessionId"] == session
    found = jobs.ended("remind", session, made["scheduledFor"])
    assert (found["outcome"], found["interactionId"]) == ("ran", made["interactionId"])
    assert found["startedAt"] <= found["finishedAt"]
    assert jobs.agent.state(session)["runs"] == 1
    assert jobs.told("remind", session, made["scheduledFor"].partition(".")[0] + "Z")["outcome"] == "ran"


def test_a_run_that_fails_says_so(jobs, session):
    made = jobs.post("/broken/run", 202, {"sessionId": session})
    found = jobs.ended("broken", session, made["scheduledFor"])
    assert (found["outcome"], found["reason"]) == ("failed", "ValueError: no paper")
    assert found["error"]["type"] == "ValueError"
    assert "traceback" not in found["error"]


def test_a_run_everywhere_is_a_tick_that_reaches_every_session(jobs, session):
    made = jobs.post("/remind/run", 202)
    assert (made["sessionId"], made["interactionId"]) == (None, None)
    assert jobs.ended("remind", session, made["scheduledFor"])["outcome"] == "ran"
    [tick] = wait_until(lambda: [one for one in jobs.get("/remind/ticks")["ticks"] if one["doneAt"]], 20)
    assert (tick["scheduledFor"], tick["kind"], tick["failed"]) == (made["scheduledFor"], "manual", 0)
    assert tick["sessions"] >= 1
    assert jobs.listed("remind")["lastTick"]["scheduledFor"] == made["scheduledFor"]


def test_a_static_job_runs_once(jobs):
    runs = "select status from interactions where session_id = '$static:nightly'"
    before = len(jobs.query(runs))
    jobs.post("/nightly/run", 202)
    wait_until(lambda: [row["status"] for row in jobs.query(runs)] == ["done"] * (before + 1), 20)
    assert jobs.get("/nightly/explain", at="2100-01-01T00:00:00Z")["reasonCode"] == "future"
    jobs.post("/nightly/run", 422, {"sessionId": "s"})
    jobs.get("/nightly/explain", 422, sessionId="s", at=NEW_YEAR)


def test_a_backfill_runs_what_was_due(jobs, session):
    body = {"from": "2024-01-01T00:00:00Z", "to": "2025-12-31T00:00:00Z"}
    made = jobs.post("/everyone/backfill", 202, body)
    assert (made["ticks"], made["existing"]) == (2, 0)
    times = [one["scheduledFor"] for one in jobs.get("/everyone/ticks")["ticks"]]
    assert times == [NEW_YEAR, NEW_YEAR.replace("2025", "2024")]


def test_a_pause_is_seen_and_ended(jobs):
    paused = jobs.post("/remind/pause")
    assert paused["paused"]
    assert datetime.fromisoformat(paused["pausedAt"]) <= datetime.now(UTC)
    assert jobs.post("/remind/pause")["pausedAt"] == paused["pausedAt"]
    resumed = jobs.post("/remind/resume", body={})
    assert (resumed["paused"], resumed["pausedAt"]) == (False, None)
    assert datetime.fromisoformat(resumed["decidedUntil"]) >= datetime.fromisoformat(paused["pausedAt"])


def test_ticks_come_in_pages_newest_first(jobs):
    for year in range(2020, 2025):
        at = f"{year}-01-01T00:00:00Z"
        jobs.query("insert into ticks (agent_id, job, scheduled_for) values ('reminders', 'billed', %s)", at)
    page = jobs.get("/billed/ticks", limit=2)
    found = [one["scheduledFor"][:4] for one in page["ticks"]]
    while page["nextCursor"] is not None:
        page = jobs.get("/billed/ticks", limit=2, cursor=page["nextCursor"])
        found += [one["scheduledFor"][:4] for one in page["ticks"]]
    assert found == ["2024", "2023", "2022", "2021", "2020"]


def test_a_tick_under_way_counts_runs_that_its_row_does_not(jobs):
    at, agent = "2024-06-01T00:00:00Z", "reminders"
    statuses = {"a": "done", "b": "done", "c": "done", "d": "dead", "e": "skipped", "f": "cancelled", "g": "skipped"}
    for name, status in statuses.items():
        jobs.query(
            "insert into interactions (id, agent_id, session_id, kind, name, payload, scheduled_for, status,"
            " finished_at) values (pumice_uuid7(), %s, %s, 'job', 'billed', '{}', %s, %s, now() + %s)",
            agent, name, at, status, timedelta(seconds=0 if name == "g" else 1)
        )  # fmt: skip
    jobs.query("insert into ticks (agent_id, job, scheduled_for, sessions, done, drained, inserted_at) "
               "values (%s, 'billed', %s, 6, 2, 'b', now())", agent, at)  # fmt: skip
    [tick] = jobs.get("/billed/ticks")["ticks"]
    assert [tick[name] for name in ("sessions", "done", "failed", "skipped")] == [6, 3, 1, 2]
    jobs.query("delete from interactions where agent_id = %s and name = 'billed'", agent)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("POST", "/never/run", 404, None),
        ("POST", "/never/pause", 404, None),
        ("POST", "/never/resume", 404, None),
        ("POST", "/never/backfill", 404, {"from": NEW_YEAR, "to": NEW_YEAR}),
        ("GET", "/never/ticks", 404, None),
        ("GET", f"/never/explain?sessionId=s&at={NEW_YEAR}", 404, None),
        ("POST", "/remind/run", 404, {"sessionId": "nobody"}),
        ("POST", "/remind/run", 422, {"sessionId": "$static:x"}),
        ("POST", "/remind/run", 422, {"session": "s"}),
        ("POST", "/remind/run", 400, None),
        ("POST", "/remind/pause", 422, {"until": NEW_YEAR}),
        ("POST", "/remind/backfill", 422, {"from": NEW_YEAR}),
        ("POST", "/remind/backfill", 422, {"from": NEW_YEAR, "to": "2025-01-01"}),
        ("POST", "/remind/backfill", 422, {"from": NEW_YEAR, "to": "2190-01-01T00:00:00Z"}),
        ("POST", "/hourly/backfill", 422, {"from": NEW_YEAR, "to": NEW_YEAR}),
        ("GET", "/remind/ticks?cursor=x", 422, None),
        ("GET", "/remind/ticks?limit=0", 422, None),
        ("GET", "/remind/explain?sessionId=s", 422, None),
        ("GET", f"/remind/explain?at={NEW_YEAR}", 422, None),
        ("GET", "/remind/explain?sessionId=s&at=noon", 422, None),
    ],
)
def test_what_is_wrong_is_refused(jobs, method, path, status, body):
    broken = {"content": b"{", "headers": jobs.agent.secret | {"content-type": "application/json"}}
    options = broken if status == 400 else {} if body is None else {"json": body}
    assert jobs.call(method, path, status, **options)["status"] == status


def test_a_job_that_is_gone_is_not_run(jobs):
    jobs.query("insert into jobs (agent_id, name, declaration) values ('reminders', 'gone', '')")
    jobs.post("/gone/run", 409)
    assert jobs.get("/gone/ticks")["ticks"] == []
    assert jobs.told("gone", "s", "2100-01-01T00:00:00Z")["reasonCode"] == "no-session"


def test_what_is_no_longer_kept_is_gone(jobs, session):
    jobs.query("insert into jobs (agent_id, name, declaration, first_seen_at) "
               "values ('reminders', 'remind', '', '2020-01-01')")  # fmt: skip
    jobs.query("update sessions set created_at = '2020-01-01' where id = %s", session)
    assert jobs.get("/remind/explain", 410, sessionId=session, at=NEW_YEAR)["type"].endswith("forgotten-run")


def test_it_takes_the_secret_key(jobs):
    for headers, status in ((jobs.agent.public, 403), ({}, 401)):
        for path in ("", "/remind/ticks", f"/remind/explain?sessionId=s&at={NEW_YEAR}"):
            jobs.call("GET", path, status, headers=headers)
        for action in ("run", "pause", "resume", "backfill"):
            jobs.call("POST", f"/remind/{action}", status, headers=headers)


def test_a_run_waits_for_code_that_has_its_job_and_is_skipped_once_the_job_is_removed(jobs):
    session = new_session()
    jobs.agent.sessions("", "POST", json={"sessionId": session})
    jobs.query("insert into jobs (agent_id, name, declaration) values ('reminders', 'newer', '')")
    jobs.query(
        "insert into interactions (id, agent_id, session_id, kind, name, payload, scheduled_for, wake_at) "
        "values (pumice_uuid7(), 'reminders', %s, 'job', 'newer', '{}', %s, now())", session, NEW_YEAR
    )  # fmt: skip

    def run():
        [found] = jobs.agent.interactions(session)
        return found

    wait_until(lambda: run()["reason"], 20, "a worker that takes it")
    assert (run()["status"], run()["attempts"]) == ("queued", 0)
    assert "has no job 'newer'" in run()["reason"]
    jobs.query("update jobs set removed_at = now() where name = 'newer'")
    jobs.query("update interactions set available_at = now(), wake_at = now() where session_id = %s", session)
    wait_until(lambda: run()["status"] != "queued", 20, "the next worker")
    assert (run()["status"], run()["reasonCode"]) == ("skipped", "removed")
