"""The baseline's worker: each task locks the session row, runs the handler on the state and commits."""

import json
import os
from typing import Any

import redis
from celery import Celery
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as DatabaseSession

from tests.bench.baseline import handlers
from tests.bench.baseline.models import Database, Interaction, Message, Session

celery = Celery("baseline", broker=os.environ["REDIS_URL"])
celery.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ["PREFETCH"]),
)
PAGE = 1_000
replies = redis.Redis.from_url(os.environ["REDIS_URL"])


@celery.task
def run_interaction(interaction_id: int) -> None:
    with Database.begin() as database:
        interaction = database.get_one(Interaction, interaction_id, with_for_update=True)
        if interaction.status == "done":
            return
        session = lock(database, interaction.session_id)
        if interaction.kind == "hook":
            session.state, interaction.result = handlers.event(session.state, interaction.payload)
        elif interaction.kind == "job":
            session.state = handlers.job(session.state)
        else:
            interaction.result = chat(database, interaction)
        interaction.status = "done"
        interaction.finished_at = func.clock_timestamp()
    if interaction.kind == "chat":
        with replies.pipeline(transaction=False) as pipeline:
            pipeline.rpush(f"reply:{interaction_id}", json.dumps(interaction.result))
            pipeline.expire(f"reply:{interaction_id}", 60)
            pipeline.execute()


@celery.task
def tick() -> None:
    """Make a run for each session, a page of them in a transaction: each is then known when it comes twice."""
    last = ""
    while True:
        with Database.begin() as database:
            page = select(Session.id).where(Session.id > last).order_by(Session.id).limit(PAGE)
            runs = [{"session_id": one, "kind": "job", "payload": {}} for one in database.scalars(page)]
            if not runs:
                return
            made = database.scalars(insert(Interaction).returning(Interaction.id), runs).all()
        last = str(runs[-1]["session_id"])
        for interaction_id in made:
            run_interaction.delay(interaction_id)


def chat(database: DatabaseSession, interaction: Interaction) -> dict[str, Any]:
    session_id, asked = interaction.session_id, interaction.payload["messages"]
    database.add_all(Message(session_id=session_id, role=one["role"], content=one["content"]) for one in asked)
    text = handlers.reply(asked[-1]["content"])
    database.add(Message(session_id=session_id, role="assistant", content=text))
    return {"role": "assistant", "content": text}


def lock(database: DatabaseSession, session_id: str) -> Session:
    locked = select(Session).where(Session.id == session_id).with_for_update()
    session = database.scalar(locked)
    if session is None:
        database.execute(insert(Session).values(id=session_id, state={}).on_conflict_do_nothing())
        session = database.scalars(locked).one()
    return session
