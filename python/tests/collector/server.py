"""A server that answers as Freesound's APIv2 does, on this machine alone, with sounds that it makes up.

Search, a sound, what is similar to it, the sounds of a user and of a pack, in pages; 401 without a token, 404, 429 with
Retry-After, 500, and answers that come too late. It remembers what it was asked for.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "a token"
SOUNDS = 150
PAGE = 15


def sound(n: int) -> dict:
    """A sound, as search results list it."""
    return {
        "id": n,
        "name": f"rain {n}.wav",
        "username": f"user {n % 9}",
        "pack": f"https://freesound.org/apiv2/packs/{n % 13}/" if n % 4 else None,
        "tags": ["rain", f"tag-{n % 5}"],
        "license": "http://creativecommons.org/licenses/by/4.0/",
        "duration": n * 1.25,
        "created": f"2026-01-{1 + n % 28:02}T00:00:00",
        "num_downloads": n * 7,
        "avg_rating": 4.5,
    }


def listed(path: str) -> list[int] | None:
    """The sounds that a path lists; None: there is no such thing."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[:3] == ["apiv2", "search", "text"]:
        return list(range(0, SOUNDS, 7))
    if len(parts) != 4:
        return None
    _, kind, name, what = parts
    if kind == "sounds" and what == "similar" and name.isdigit() and int(name) < SOUNDS:
        n = int(name)
        # A sound that is gone meanwhile.
        return None if n % 31 == 30 else [(n * 3 + k * k + 1) % SOUNDS for k in range(1, 9)]
    if kind == "users" and what == "sounds":
        return [n for n in range(SOUNDS) if sound(n)["username"] == name]
    if kind == "packs" and what == "sounds":
        return [n for n in range(SOUNDS) if (sound(n)["pack"] or "").endswith(f"/{name}/")]
    return None


class Server(ThreadingHTTPServer):
    """The server. ``faults(count)`` says what becomes of a request: 200, a status, or seconds to wait before the answer."""

    daemon_threads = True

    def __init__(self, faults=lambda count: 200) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults = faults
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address) -> None:
        """Nothing: a client that was killed is what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers."""
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        page = int(query.get("page", 1))
        name = f"{unquote(url.path)}?page={page}"
        with self.server.lock:
            self.server.asked.append(name)
            fault = self.server.faults(len(self.server.asked))
        if self.headers.get("Authorization") != f"Token {TOKEN}":
            self.answer(401, {"detail": "Invalid token"})
        elif fault == 429:
            self.answer(429, {"detail": "Request was throttled."}, {"Retry-After": "1"})
        elif fault == 500:
            self.answer(500, {"detail": "Server Error"})
        else:
            if fault != 200:
                time.sleep(fault)
            sounds = listed(url.path)
            if sounds is None:
                self.answer(404, {"detail": "Not found"})
                return
            here = sounds[(page - 1) * PAGE : page * PAGE]
            more = page * PAGE < len(sounds)
            following = f"{self.server.url}{url.path}?page={page + 1}" if more else None
            self.answer(200, {"count": len(sounds), "next": following, "results": [sound(n) for n in here]})
            with self.server.lock:
                self.server.answered.append(name)

    def answer(self, status: int, document: dict, headers: dict | None = None) -> None:
        """Sends a document."""
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args) -> None:
        """Nothing."""
