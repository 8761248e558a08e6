#!/usr/bin/env python3
"""Collects sounds and their similarities from Freesound, and can be killed at any moment.

    pip install freesound-api ./python "networkx>=3"
    export FREESOUND_API_KEY=…                      # https://freesound.org/apiv2/apply/
    examples/freesound_crawl.py --query rain --log crawl.snaplog --max-nodes 500

It searches, looks up what is similar to each sound it finds, and what else is by the same user and in the same pack. Run it
again after whatever stopped it, a limit, an error, `kill -9`: it goes on where it was.

Everything is in the log: the graph, the queue of pages to ask for, the pages that were asked for, the requests of the day.
What one page gives goes in as one batch, together with the page's name, and is durable before the next request. So after
a kill no page is asked for twice but the one whose answer had not been written by then.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import freesound
import requests
import snaplog

FIELDS = "id,name,username,pack,tags,license,duration,created,num_downloads,avg_rating"
PAGE_SIZE = 150  # the most that Freesound gives
TRIES = 6


class Stop(Exception):
    """The crawl ends here, in good order; a later run goes on."""


class Requests:
    """Asks Freesound, within its limits, and asks again where that helps."""

    def __init__(self, args: argparse.Namespace, log: snaplog.Log) -> None:
        self.args, self.log = args, log
        self.client = freesound.FreesoundClient()
        self.client.session = WithTimeout(args.timeout)
        self.client.set_token(args.api_key)
        if args.base_url:
            freesound.URIS.BASE = args.base_url.rstrip("/") + "/apiv2"
        self.began = time.monotonic()
        self.next_at = 0.0
        self.made = 0
        today = log.state.get("requests", {})
        self.today = today.get("made", 0) if today.get("day") == day() else 0

    def page(self, kind: str, name: str, page: int) -> freesound.Pager:
        """One page: of a search, of what is similar to a sound, of a user's or a pack's sounds."""
        more = {"page": page, "page_size": PAGE_SIZE, "fields": FIELDS}
        client = self.client
        if kind == "search":
            return self.ask(lambda: client.text_search(query=name, **more))
        if kind == "similar":
            return self.ask(lambda: freesound.Sound({"id": name}, client).get_similar(**more))
        if kind == "user":
            return self.ask(lambda: freesound.User({"username": name}, client).get_sounds(**more))
        return self.ask(lambda: freesound.Pack({"id": name}, client).get_sounds(**more))

    def ask(self, request: Any) -> Any:
        """The answer, after as many tries as it takes."""
        for trial in range(TRIES):
            self.wait_for_leave()
            try:
                return request()
            except (requests.ConnectionError, requests.Timeout) as error:
                reason, pause = f"{error}", 2.0**trial
            except freesound.FreesoundException as error:
                if error.code == 404:
                    raise
                if error.code in (401, 403):
                    raise Stop(f"Freesound does not accept the API key ({error.detail})") from None
                if error.code != 429 and error.code < 500 and error.code != 0:
                    raise Stop(f"Freesound refuses the request: {error}") from None
                reason, pause = f"{error}", retry_after(error) or 2.0**trial
            if trial + 1 < TRIES:
                say(f"{reason}; once more in {pause:.0f} s")
                self.sleep(pause * self.args.patience)
        raise Stop(f"no answer after {TRIES} tries: {reason}")

    def wait_for_leave(self) -> None:
        """Until the limits allow one more request."""
        if self.args.max_requests is not None and self.made >= self.args.max_requests:
            raise Stop(f"{self.made} requests were made, as many as --max-requests allows")
        if self.today >= self.args.per_day:
            raise Stop(f"today's {self.args.per_day} requests are used up")
        self.sleep(max(0.0, self.next_at - time.monotonic()))
        self.next_at = time.monotonic() + 60 / self.args.per_minute
        self.made += 1
        self.today += 1

    def sleep(self, seconds: float) -> None:
        """Sleeps, if that does not take longer than the crawl may."""
        left = self.args.max_seconds - (time.monotonic() - self.began)
        if seconds > left:
            raise Stop(f"{self.args.max_seconds:.0f} s are over")
        time.sleep(seconds)


class WithTimeout(requests.Session):
    """A session that does not wait for ever."""

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self.timeout = timeout

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Sends a request."""
        kwargs.setdefault("timeout", self.timeout)
        return super().send(request, **kwargs)


class Crawl:
    """What is to be asked for, and what becomes of the answers."""

    def __init__(self, args: argparse.Namespace, log: snaplog.Log) -> None:
        self.args, self.log = args, log
        self.queued = log.state.map("queue")
        self.done = log.state.map("done")
        if not self.queued and not self.done:
            with log.batch():
                self.queued[name_of("search", args.query, 1)] = {"depth": 0, "of": None}
        # The order of a map is that in which its entries came.
        self.queue = deque(self.queued.items())
        self.known = {name for name, _ in self.queue} | set(self.done)

    def run(self, asking: Requests) -> None:
        """Works on the queue until it is empty."""
        while self.queue:
            if self.log.number_of_nodes() >= self.args.max_nodes:
                raise Stop(f"{self.args.max_nodes} sounds are there")
            name, task = self.queue[0]
            kind, page, what = parts_of(name)
            try:
                answer = asking.page(kind, what, page)
            except freesound.FreesoundException:
                answer = None  # 404: what there was is gone
            self.take(name, task, answer, asking)
            self.queue.popleft()
            say(f"{name}: {self.log.number_of_nodes()} sounds, {len(self.queue)} pages to go")

    def take(self, name: str, task: dict[str, Any], answer: freesound.Pager | None, asking: Requests) -> None:
        """Writes what a page gives, with the page's name, all or nothing; durable on return."""
        kind, page, what = parts_of(name)
        new: list[tuple[str, dict[str, Any]]] = []
        with self.log.batch():
            for sound in answer.results if answer else []:
                new += self.add(kind, task, sound)
            if answer and answer.next:
                new.append((name_of(kind, what, page + 1), task))
            for entry, follow_up in new:
                self.queued[entry] = follow_up
            del self.queued[name]
            self.done[name] = "gone" if answer is None else len(answer.results)
            self.log.state["requests"] = {"day": day(), "made": asking.today}
        self.log.commit()
        self.queue.extend(new)

    def add(
        self, kind: str, task: dict[str, Any], sound: dict[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Adds a sound, and its edge to the one that led to it; what else is to be asked for because of it."""
        sound = dict(sound)
        node, pack = str(sound.pop("id")), sound.pop("pack", None)
        if pack:
            sound["pack"] = pack.rstrip("/").rsplit("/", 1)[-1]
        self.log.put_node(node, sound)
        if task["of"] is not None and task["of"] != node:
            edge = {"search": "found", "similar": "similar", "user": "same_user", "pack": "same_pack"}[kind]
            self.log.put_edge(task["of"], node, None, edge)
        depth = task["depth"] + 1
        if depth > self.args.max_depth:
            return
        follow_up = {"depth": depth, "of": node}
        asked = [("similar", node), ("user", sound.get("username")), ("pack", sound.get("pack"))]
        for name in (name_of(other, what, 1) for other, what in asked if what):
            if name not in self.known:
                self.known.add(name)
                yield name, follow_up


def name_of(kind: str, what: str, page: int) -> str:
    """A page's name in the log."""
    return f"{kind}:{page}:{what}"


def parts_of(name: str) -> tuple[str, int, str]:
    """What kind of page it is, which one, and of what."""
    kind, page, what = name.split(":", 2)
    return kind, int(page), what


def retry_after(error: freesound.FreesoundException) -> float | None:
    """The seconds that the server asks for."""
    response = getattr(error.__cause__, "response", None)
    said = response.headers.get("Retry-After", "") if response is not None else ""
    return float(said) if said.isdigit() else None


def day() -> str:
    """The day, as Freesound counts requests."""
    return datetime.now(timezone.utc).date().isoformat()


def say(text: str) -> None:
    """Tells how it goes."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--query", required=True, help="what to search for")
    parser.add_argument("--log", default="crawl.snaplog", help="the log's directory")
    parser.add_argument("--max-nodes", type=int, default=1000, help="stop at so many sounds")
    parser.add_argument("--max-depth", type=int, default=2, help="how far from the search results to go")
    parser.add_argument("--max-requests", type=int, help="stop after so many requests of this run")
    parser.add_argument("--max-seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--per-minute", type=float, default=60, help="Freesound's limit")
    parser.add_argument("--per-day", type=int, default=2000, help="Freesound's limit")
    parser.add_argument("--timeout", type=float, default=30, help="seconds to wait for an answer")
    parser.add_argument("--patience", type=float, default=1, help="multiplies the pauses before another try")
    parser.add_argument(
        "--api-key-env", default="FREESOUND_API_KEY", help="the variable that holds the API key"
    )
    parser.add_argument("--base-url", help="another server, for tests")
    args = parser.parse_args()
    args.api_key = os.environ.get(args.api_key_env, "")
    if not args.api_key:
        parser.error(
            f"{args.api_key_env} is not set: it holds the API key (https://freesound.org/apiv2/apply/)"
        )
    return args


def main() -> int:
    """Crawls. 0: everything was asked for; 3: stopped, a later run goes on; 130: Ctrl-C."""
    args = arguments()
    with snaplog.open(args.log, directed=True, multigraph=True) as log:
        asking = Requests(args, log)
        try:
            Crawl(args, log).run(asking)
            code, outcome = 0, "complete"
        except Stop as stop:
            code, outcome = 3, f"stopped: {stop}; run it again to go on"
        except KeyboardInterrupt:
            code, outcome = 130, "stopped; run it again to go on"
        if asking.made:
            log.mark()  # what `snaplog.restore(args.log)` gives
        say(f"{outcome}: {log.number_of_nodes()} sounds, {log.number_of_edges()} edges")
        return code


if __name__ == "__main__":
    sys.exit(main())
