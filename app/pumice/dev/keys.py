"""The API keys that `pumice dev` makes for the agents it serves."""

from pumice.dev.datadir import AgentKeys, DataDirectory
from pumice.sessions.api_keys import create_key, list_keys


def ensure_keys(data: DataDirectory, database_url: str, agents: list[str]) -> dict[str, AgentKeys]:
    """A public and a secret key for each agent: the remembered ones while the database knows them, else new ones.

    Raises `psycopg.Error`.
    """
    remembered = data.keys()
    keys = {
        agent: remembered[agent]
        if agent in remembered and _valid(database_url, agent, remembered[agent])
        else AgentKeys(
            publicKey=create_key(database_url, agent, "public"),
            secretKey=create_key(database_url, agent, "secret"),
        )
        for agent in agents
    }
    data.remember_keys({**remembered, **keys})
    return keys


def _valid(database_url: str, agent: str, keys: AgentKeys) -> bool:
    known = [row for row in list_keys(database_url, agent) if row.revoked_at is None]
    return all(
        any(row.kind == kind and plain.startswith(row.prefix) for row in known)
        for kind, plain in (("public", keys["publicKey"]), ("secret", keys["secretKey"]))
    )
