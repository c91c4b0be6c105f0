"""`pumice dev`: every process of a deployment on one machine, with a Postgres and a Valkey of its own.

`supervisor` puts it together. `options` and `dotenv_file` say what was asked for, `datadir` what is remembered between
starts. `postgres` and `valkey` know the servers' programs; `children` and `supervised` keep processes running, `guard`
cleans up after a killed parent. `inspect_agents` imports an author's agents in a process of its own, `imports` notes
which files that reads, `mistakes` puts what went wrong in a line. `files` notices changes, `reload` leads through a
reload, `services` and `front` replace processes while somebody always listens. Nothing here is used in production.
"""
