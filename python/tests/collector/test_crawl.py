"""examples/freesound_crawl.py, against a server that answers as Freesound does."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import networkx as nx
import pytest
import snaplog

from .server import PAGE, SOUNDS, TOKEN, Server

pytest.importorskip("freesound")
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "freesound_crawl.py"


def start(server, path, *more):
    command = [sys.executable, EXAMPLE, "--query", "rain", "--log", path, "--base-url", server.url]
    command += ["--per-minute", "1000000", "--patience", "0.01", "--timeout", "0.5", *map(str, more)]
    environment = {**os.environ, "FREESOUND_API_KEY": TOKEN}
    return subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may ignore it, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def crawl(server, path, *more):
    """Runs it to its end: how it ended, and what it said."""
    process = start(server, path, *more)
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


def page_of(name):
    """The path and page that the server saw for a page of the log."""
    kind, page, what = name.split(":", 2)
    path = {
        "search": "/apiv2/search/text/",
        "similar": f"/apiv2/sounds/{what}/similar/",
        "user": f"/apiv2/users/{what}/sounds/",
        "pack": f"/apiv2/packs/{what}/sounds/",
    }[kind]
    return f"{path}?page={page}"


def done(path):
    """The pages that are written."""
    with snaplog.open(path) as log:
        return {page_of(name) for name in log.state.map("done")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The graph of a crawl that nothing disturbs, and the pages it asked for."""
    path, server = tmp_path_factory.mktemp("crawl") / "log", Server()
    code, said = crawl(server, path)
    assert code == 0, said
    assert sorted(server.asked) == sorted(set(server.asked)), "a page was asked for twice"
    return snaplog.restore(path), server.asked


def test_it_finds_everything(undisturbed):
    G, asked = undisturbed
    assert type(G) is nx.MultiDiGraph
    assert {key for *_, key in G.edges(keys=True)} == {"similar", "same_user", "same_pack"}
    assert SOUNDS * 0.9 < len(G) <= SOUNDS
    assert G.nodes["7"]["tags"] == ["rain", "tag-2"]
    assert any("page=2" in page for page in asked)
    assert G.graph["snaplog"].state.map("queue") == {}
    assert PAGE < len(asked) == len(G.graph["snaplog"].state.map("done"))


def test_killed_twenty_times_it_is_complete_and_asks_for_no_written_page_again(tmp_path, undisturbed):
    path, dice = tmp_path / "log", random.Random(1)
    server = Server(lambda count: dice.choice([200] * 18 + [429, 500]))
    kills, repeated = 0, 0
    while kills < 20:
        before = done(path) if kills else set()
        seen = len(server.asked)
        process = start(server, path)
        until = seen + dice.randrange(1, 12)
        while len(server.asked) < until and process.poll() is None:
            time.sleep(0.001)
        time.sleep(dice.random() * 0.01)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was complete before it was killed twenty times"
        kills += 1
        assert not before & set(server.asked[seen:]), "a page that was written was asked for again"
    seen, before = len(server.asked), done(path)
    code, said = crawl(server, path)
    assert code == 0, said
    assert not before & set(server.asked[seen:])
    # A page whose answer came but was not written by then: one for each kill at most.
    repeated = len(server.answered) - len(set(server.answered))
    assert repeated <= kills
    assert nx.utils.graphs_equal(without_origin(snaplog.restore(path)), without_origin(undisturbed[0]))
    assert snaplog.verify(path)["sound"]


def without_origin(G):
    G = G.copy()
    G.graph.clear()
    return G


def test_a_server_in_trouble_is_asked_again(tmp_path, undisturbed):
    troubles = {2: 429, 3: 500, 6: 500, 7: 429, 8: 500, 11: 2.0}
    server = Server(lambda count: troubles.get(count, 200))
    code, said = crawl(server, tmp_path / "log")
    assert code == 0, said
    # Retry-After says 1 s; the pauses of the test are a hundredth.
    assert "code=429" in said
    assert "once more in 1 s" in said
    assert "timed out" in said.lower()
    assert nx.utils.graphs_equal(
        without_origin(snaplog.restore(tmp_path / "log")), without_origin(undisturbed[0])
    )


def test_a_server_that_is_gone_stops_it_and_it_goes_on_later(tmp_path):
    path = tmp_path / "log"
    server = Server(lambda count: 200 if count <= 5 else 500)
    code, said = crawl(server, path)
    assert (code, len(done(path))) == (3, 5)
    assert "no answer after 6 tries" in said
    code, said = crawl(Server(), path)
    assert code == 0, said


def test_limits_stop_it_and_a_later_run_goes_on(tmp_path):
    path, server = tmp_path / "log", Server()
    code, said = crawl(server, path, "--max-requests", 4)
    assert (code, len(server.asked)) == (3, 4)
    assert "--max-requests" in said
    # The day's count is in the log.
    code, said = crawl(server, path, "--per-day", 6)
    assert (code, len(server.asked)) == (3, 6)
    assert "used up" in said
    code, said = crawl(server, path, "--max-nodes", 40)
    assert code == 3
    assert "40 sounds are there" in said
    assert len(snaplog.restore(path)) >= 40
    code, said = crawl(server, path, "--max-seconds", 0)
    assert (code, "0 s are over" in said) == (3, True)
    assert crawl(server, path)[0] == 0
    assert len(server.asked) == len(set(server.asked))


def test_ctrl_c_stops_it_in_good_order(tmp_path):
    path, server = tmp_path / "log", Server(lambda count: 0.02)
    process = start(server, path)
    while len(server.asked) < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "run it again" in said
    assert crawl(server, path)[0] == 0


def test_a_wrong_key_is_told(tmp_path):
    environment = {**os.environ, "OTHER": "wrong"}
    server = Server()
    command = [
        sys.executable,
        EXAMPLE,
        "--query",
        "rain",
        "--log",
        tmp_path / "log",
        "--base-url",
        server.url,
    ]
    done = subprocess.run(
        [*command, "--api-key-env", "OTHER"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "API key" in done.stderr
    environment.pop("FREESOUND_API_KEY", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not set" in done.stderr
