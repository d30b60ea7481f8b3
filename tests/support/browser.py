"""Load pages of the built book in a headless Chromium; return the rendered document and the requests."""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine.

    Yields:
        The address.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def load(url: str, profile: Path, netlog: Path | None = None, *arguments: str) -> str:
    """Load a page and run its scripts, with access to this machine only.

    Args:
        url: The page.
        profile: Folder for the browser's own files.
        netlog: Where to write the log of the network; None for no log.
        *arguments: More options of Chromium.

    Returns:
        The document after its scripts have run.
    """
    command = [
        CHROMIUM,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
        "--host-resolver-rules=MAP * 127.0.0.1:9, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=20000",
        *([f"--log-net-log={netlog}"] if netlog else []),
        *arguments,
        "--dump-dom",
        url,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


def requests(netlog: Path) -> list[str]:
    """Return every address that a page requested; requests of the browser itself have no page as initiator."""
    log = json.loads(netlog.read_text())
    start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    found = []
    for event in log["events"]:
        parameters = event.get("params", {})
        if event["type"] == start and "url" in parameters:
            if str(parameters.get("initiator", "not an origin")).startswith("http"):
                found.append(parameters["url"])
    return found


def host(url: str) -> str | None:
    """Return the host name of an address."""
    return urlsplit(url).hostname
