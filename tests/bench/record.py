"""A run as JSON, with what is needed to judge it later, and the comparison of two such files."""

import json
import os
import platform
import shutil
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.peers.installation import SDK, SERVER, SERVER_VERSION
from tests.bench.report import CONTENDERS, medians
from tests.bench.run import Results
from tests.bench.stack.processes import ROOT
from tests.bench.stack.servers import Servers
from tests.bench.stage import Options

PACKAGES = ("flask", "gunicorn", "gevent", "celery", "kombu", "redis", "hiredis", "psycopg", "sqlalchemy")


def save(path: Path, results: Results, options: Options, servers: Servers) -> None:
    """Write every number of a run."""
    document = {
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--", "app", "workers", "migrations")),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
        "servers": servers.versions(),
        "packages": {name: version(name) for name in PACKAGES},
        "peers": {SERVER: SERVER_VERSION, **SDK} if results.took_part("restate") else {},
        "options": asdict(options),
        "samples": {
            workload: {name: [asdict(sample) for sample in samples] for name, samples in contenders.items()}
            for workload, contenders in results.samples.items()
        },
        "medians": {
            workload: {metric: medians(contenders, metric) for metric in _metrics(contenders)}
            for workload, contenders in results.samples.items()
        },
    }
    path.write_text(json.dumps(document, indent=1))


def compare(before: Path, after: Path) -> str:
    """Return the ratios of two files' medians, after to before; contenders that did not change tell the noise."""
    first, second = json.loads(before.read_text()), json.loads(after.read_text())
    lines = [f"{_title(first)} -> {_title(second)}"]
    for workload, metrics in second["medians"].items():
        for metric, now in metrics.items():
            then = first["medians"].get(workload, {}).get(metric, {})
            ratios = [f"{name} {_change(then[name], now[name])}" for name in CONTENDERS if name in now and name in then]
            if ratios:
                lines.append(f"{workload:12} {metric:20} {'   '.join(ratios)}")
    return "\n".join(lines)


def _metrics(contenders: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(name for samples in contenders.values() for sample in samples for name in sample.values))


def _title(document: dict[str, Any]) -> str:
    return f"{document['commit'][:10]}{' (changed)' if document['changed'] else ''} of {document['at']}"


def _change(then: float, now: float) -> str:
    return f"{then:,.4g} -> {now:,.4g} ({now / then:.2f})" if then else f"{then:,.4g} -> {now:,.4g}"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        [shutil.which("git") or "git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
