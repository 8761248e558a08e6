"""A crawl that a remote copy follows, killed at a random moment with its directory gone: a clone goes on.

SNAPLOG_ROUNDS: how often (3). SNAPLOG_CRAWL: the crawl, as NDJSON (one of 6,000 nodes that is made up).
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

ROUNDS = int(os.environ.get("SNAPLOG_ROUNDS", "3"))
CRAWL = os.environ.get("SNAPLOG_CRAWL")


@pytest.fixture(scope="module")
def lines():
    if CRAWL:
        with open(CRAWL, "rb") as crawl:
            return list(crawl)
    dice = random.Random(5)
    made = []
    for n in range(6000):
        made.append({"op": "node", "id": n, "attrs": {"name": f"node {n}", "tags": [dice.random() for _ in range(4)]}})
        if n:
            made.append({"op": "edge", "src": n, "dst": dice.randrange(n), "attrs": {"weight": dice.random()}})
    return [json.dumps(line).encode() + b"\n" for line in made]


def graph(run, log):
    nodes, edges = {}, {}
    for line in run("-d", log, "restore", "--to", "latest", "--quiet").splitlines():
        event = json.loads(line)
        event.pop("ts", None)
        if event["op"] == "node":
            nodes[event["id"]] = event
        elif event["op"] == "edge":
            edges[event["src"], event["dst"]] = event
    return nodes, edges


def follow(log, url):
    config = log / "snaplog.toml"
    text = config.read_text("utf-8")
    text = text.replace("urls = []", f'urls = ["{url}"]').replace('follow = "never"', 'follow = "200 ms"')
    config.write_text(text, "utf-8")


def ingest(run, log):
    command = [run.binary, "-d", log, "ingest", "--source", "crawl", "--quiet", "-"]
    return subprocess.Popen(command, env=run.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def there(run, url):
    """The last event that a remote copy has; -1 if nothing was pushed."""
    process = run.start("-d", url, "stats", "--json")
    out, _ = process.communicate(timeout=60)
    return json.loads(out)["last_seq"] if process.returncode == 0 else -1


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_crawl_that_loses_its_machine(seed, weed, client, lines, tmp_path):
    run, url, dice = client(weed.port), f"s3://crawls/followed-{time.time_ns()}", random.Random(seed)
    log = tmp_path / "log"
    run("init", log)
    follow(log, url)
    lives, acknowledged, chunk = 0, 0, len(lines) // 300 + 1
    while True:
        lives += 1
        writer = ingest(run, log)
        dies_at = dice.randrange(len(lines)) if lives <= 3 else None
        killed = False
        for start in range(0, len(lines), chunk):
            writer.stdin.write(b"".join(lines[start : start + chunk]))
            writer.stdin.flush()
            time.sleep(0.01 if CRAWL else 0.002)
            if dies_at is not None and start >= dies_at:
                # What is seen there once is there after the machine is gone.
                acknowledged = max(acknowledged, there(run, url))
                writer.send_signal(signal.SIGKILL)
                killed = True
                break
        if not killed:
            _, told = writer.communicate(timeout=120)
            assert writer.returncode == 0, told
            assert b"behind" not in told, told
            break
        writer.communicate()
        shutil.rmtree(log)
        if there(run, url) < 0:
            run("init", log)
            follow(log, url)
            continue
        run("clone", url, log)
        assert json.loads(run("-d", log, "verify", "--json"))["sound"]
        assert json.loads(run("-d", log, "stats", "--json"))["last_seq"] >= acknowledged
    assert lives == 4
    whole = tmp_path / "undisturbed"
    run("init", whole)
    writer = ingest(run, whole)
    writer.communicate(b"".join(lines), timeout=120)
    for one in (log, whole):
        run("-d", one, "mark", "--label", "the end")
    run("-d", log, "push", url)
    expected = graph(run, whole)
    assert len(expected[0]) == 6000 or CRAWL
    assert graph(run, log) == expected
    assert graph(run, url) == expected
    assert json.loads(run("-d", url, "verify", "--json"))["sound"]


def test_a_store_that_is_away_is_no_error_for_the_crawl(client, lines, tmp_path):
    run = client(1)
    log = tmp_path / "log"
    run("init", log)
    follow(log, "s3://crawls/away")
    writer = ingest(run, log)
    _, told = writer.communicate(b"".join(lines[:2000]), timeout=120)
    assert writer.returncode == 0
    assert b"is behind" in told
    assert json.loads(run("-d", log, "verify", "--json"))["sound"]


def test_push_follow_beside_a_crawl(moto, client, lines, tmp_path):
    run, url = client(moto.port), f"s3://crawls/beside-{time.time_ns()}"
    log = tmp_path / "log"
    run("init", log)
    writer = ingest(run, log)
    writer.stdin.write(b"".join(lines[:1000]))
    writer.stdin.flush()
    follower = run.start("-d", log, "push", "--follow", url)
    while there(run, url) < 900:
        assert follower.poll() is None
        time.sleep(0.05)
    writer.communicate(b"".join(lines[1000:]), timeout=120)
    follower.send_signal(signal.SIGINT)
    _, told = follower.communicate(timeout=60)
    assert follower.returncode == 0, told
    assert there(run, url) == json.loads(run("-d", log, "stats", "--json"))["last_seq"]
