"""A page in a real Chromium: served from an origin of its own, it runs a script and posts back what it found."""

import json
import queue
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = """<!doctype html><meta charset="utf-8"><title>page</title><script type="module">
const given = {given};
const found = {{}};
const step = async (name, run) => {{
  const late = new Promise((_, no) => setTimeout(() => no(new Error("too late")), 20000));
  try {{ found[name] = await Promise.race([run(), late]); }} catch (error) {{ found[name] = "failed: " + error; }}
}};
{script}
await fetch("/found", {{method: "POST", body: JSON.stringify(found)}});
</script>"""


@contextmanager
def page(script: str, given: dict[str, Any], profile: Path) -> Iterator["queue.Queue[dict[str, Any]]"]:
    """Open a page that runs `script`, which calls `step(name, async function)`; what the steps return comes once."""
    found: queue.Queue[dict[str, Any]] = queue.Queue()
    content = PAGE.format(given=json.dumps(given), script=script).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content if self.path == "/" else b"")

        def do_POST(self) -> None:
            found.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert CHROMIUM
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={profile}", f"http://localhost:{server.server_port}/"]
    browser = Popen(command, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield found
    finally:
        browser.terminate()
        browser.wait(20)
        server.shutdown()
        server.server_close()
