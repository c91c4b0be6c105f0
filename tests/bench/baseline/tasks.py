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
celery.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=int(os.environ["PREFETCH"]))
replies = redis.Redis.from_url(os.environ["REDIS_URL"])


@celery.task
def run_interaction(interaction_id: int) -> None:
    with Database.begin() as database:
        interaction = database.get_one(Interaction, interaction_id)
        if interaction.status == "done":
            return
        session = lock(database, interaction.session_id)
        if interaction.kind == "hook":
            session.state, interaction.result = handlers.event(session.state, interaction.payload)
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
    with Database() as database:
        for session_id in database.scalars(select(Session.id)):
            run_job.delay(session_id)


@celery.task
def run_job(session_id: str) -> None:
    with Database.begin() as database:
        session = lock(database, session_id)
        session.state = handlers.job(session.state)


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
