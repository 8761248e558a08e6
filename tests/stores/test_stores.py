"""Remote copies on real servers: moto and SeaweedFS, which is also killed, and a bad network in between."""

import itertools
import json
import threading
import time

import pytest
BUCKET = "crawls"

NUMBERS = itertools.count(1)
URL = f"s3://{BUCKET}/crawl"


def prefix():
    """An address that no other test has."""
    return f"{URL}-{next(NUMBERS)}"


@pytest.fixture
def crawl(make_log):
    """A log with some markers, and how to let it go on."""
    snaplog = make_log()
    count = itertools.count()

    def grow(nodes=60):
        lines = []
        for n in itertools.islice(count, nodes):
            lines.append({"op": "node", "id": n, "attrs": {"text": f"node {n} " * 20}})
            if n:
                lines.append({"op": "edge", "src": n, "dst": n // 2, "attrs": {"weight": n / 7}})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        snaplog("ingest", "--no-compact", "-", input=text)

    snaplog.grow = grow
    grow()
    return snaplog


def holds(run, url, snaplog):
    """That a remote copy has all markers of a log, and restores the same."""
    assert json.loads(run("-d", url, "verify", "--json"))["sound"]
    there = json.loads(run("-d", url, "list", "--json"))
    assert there["markers"] == snaplog.json("list")["markers"]
    marker = there["markers"][-1]["id"]
    restored = run("-d", url, "restore", "--to", marker, "--quiet")
    assert restored == snaplog("restore", "--to", marker, "--quiet")


@pytest.mark.parametrize("name", ["moto", "weed"])
def test_push_read_clone_and_go_on(name, request, client, crawl, tmp_path):
    run, url = client(request.getfixturevalue(name).port), prefix()
    first = json.loads(run("-d", crawl.log, "push", url, "--json"))["pushes"][0]
    assert (first["number"], first["up_to_date"]) == (1, False)
    holds(run, url, crawl)
    crawl.grow()
    second = json.loads(run("-d", crawl.log, "push", url, "--json"))["pushes"][0]
    assert second["number"] == 2 and second["bytes_sent"] <= second["bytes"]
    assert json.loads(run("-d", crawl.log, "push", url, "--json"))["pushes"][0]["up_to_date"]
    holds(run, url, crawl)
    quick = json.loads(run("-d", url, "verify", "--level", "quick", "--json"))
    assert quick["sound"] and quick["fetched"] == 0
    run("-d", url, "drill", "--markers", "all")
    run("-d", url, "diff", "m1", "latest")
    run("clone", url, tmp_path / "clone")
    run("-d", tmp_path / "clone", "mark", "--label", "from the clone")
    run("-d", tmp_path / "clone", "push", url)
    crawl.grow()
    told = run("-d", crawl.log, "push", url, exits=1)
    assert "gone on without this directory" in told and "snaplog clone" in told
    assert "from the clone" in run("-d", url, "list")


def test_mistakes_are_told(moto, client, crawl):
    run = client(moto.port)
    told = run("-d", crawl.log, "push", "s3://no-such-bucket/crawl", exits=1)
    assert "NoSuchBucket" in told and "does the bucket exist" in told
    assert "there is no log at" in run("-d", prefix(), "list", exits=3)
    nobody = client(1)
    told = nobody("-d", crawl.log, "push", prefix(), exits=1)
    assert "refused" in told and "is the endpoint right" in told


@pytest.mark.parametrize(("fault", "said"), [("skewed", "clock"), ("denied", "credentials")])
def test_refusals_are_told(fault, said, proxied, client, crawl):
    run = client(proxied.port)
    proxied.plan(fault, range(1000))
    told = run("-d", crawl.log, "push", prefix(), exits=1)
    assert said in told, told


def test_what_may_list_get_and_create_is_enough(proxied, client, crawl, tmp_path):
    run, url = client(proxied.port), prefix()
    proxied.append_only = True
    for _ in range(2):
        run("-d", crawl.log, "push", url)
        crawl.grow()
    run("clone", url, tmp_path / "clone")
    run("-d", url, "verify")
    assert proxied.refused == []


@pytest.mark.parametrize("fault", ["latency", "500", "503", "before", "after", "truncated", "twice"])
def test_a_bad_network_at_each_request(fault, proxied, client, crawl, tmp_path):
    """What a push, a clone or a restore meets once, it gets over, or says and is repeated."""
    run, url = client(proxied.port), prefix()
    proxied.plan(None, ())
    run("-d", crawl.log, "push", url)
    for number in range(6):
        crawl.grow(30)
        proxied.plan(fault, (number,))
        run("-d", crawl.log, "push", url)
        if proxied.count <= number:
            break
        proxied.plan(None, ())
        holds(run, url, crawl)
    assert number >= 3, "a push takes more requests"
    marker = crawl.json("list")["markers"][-1]["id"]
    expected = crawl("restore", "--to", marker, "--quiet")
    for number in range(8):
        proxied.plan(fault, (number,))
        assert run("-d", url, "restore", "--to", marker, "--quiet") == expected
        proxied.plan(fault, (number,))
        run("clone", url, tmp_path / f"clone-{number}")
        run("-d", tmp_path / f"clone-{number}", "verify")


def test_a_network_that_goes_away(proxied, client, crawl):
    """From some request on nothing gets through; the next push finishes."""
    run, url = client(proxied.port), prefix()
    proxied.plan(None, ())
    run("-d", crawl.log, "push", url)
    before = crawl.json("list")["markers"]
    crawl.grow()
    for number in range(1, 4):
        proxied.plan("denied", range(number, 1000))
        process = run.start("-d", crawl.log, "push", url)
        process.communicate(timeout=300)
        assert process.returncode == 1
        proxied.plan(None, ())
        there = json.loads(run("-d", url, "list", "--json"))["markers"]
        assert there in (before, crawl.json("list")["markers"])
    run("-d", crawl.log, "push", url)
    holds(run, url, crawl)


def test_a_push_that_is_killed(proxied, client, crawl):
    run, url = client(proxied.port), prefix()
    proxied.plan(None, ())
    run("-d", crawl.log, "push", url)
    for number in range(6):
        crawl.grow(30)
        # Killed while this request is on its way: it has taken effect, and nobody heard of it.
        proxied.plan("latency", (number,))
        process = run.start("-d", crawl.log, "push", url)
        while proxied.count <= number and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        time.sleep(0.5)
        proxied.plan(None, ())
        assert json.loads(run("-d", url, "verify", "--json"))["sound"]
        run("-d", crawl.log, "push", url)
        holds(run, url, crawl)


def test_a_server_that_is_killed_in_the_middle_of_a_push(weed, client, crawl):
    run, url = client(weed.port), prefix()
    run("-d", crawl.log, "push", url)
    for pause in (0.0, 0.02):
        crawl.grow()
        process = run.start("-d", crawl.log, "push", url)
        killer = threading.Timer(pause, weed.kill)
        killer.start()
        time.sleep(pause + 0.5)
        killer.join()
        weed.start()
        process.communicate(timeout=300)
        run("-d", crawl.log, "push", url)
        holds(run, url, crawl)


@pytest.mark.parametrize("name", ["moto", "weed"])
def test_what_nothing_needs_is_removed(name, request, client, crawl):
    run, url = client(request.getfixturevalue(name).port), prefix()
    settings = crawl.log / "snaplog.toml"
    settings.write_text(settings.read_text().replace('[remote.retention]\ngrace = "never"', '[remote.retention]\ngrace = "0s"'))
    removed = 0
    for _ in range(3):
        done = json.loads(run("-d", crawl.log, "push", url, "--json"))
        removed += done["prunes"][0]["pushes_removed"]
        holds(run, url, crawl)
        crawl.grow()
        # The stores' clocks show seconds.
        time.sleep(1.1)
    assert removed == 1 and done["prunes"][0]["pushes_kept"] == 2
    assert run("-d", url, "verify", "--level", "quick")


def test_credentials_that_may_not_delete_cost_the_prune_and_not_the_push(proxied, client, crawl):
    run, url = client(proxied.port), prefix()
    settings = crawl.log / "snaplog.toml"
    settings.write_text(settings.read_text().replace('[remote.retention]\ngrace = "never"', '[remote.retention]\ngrace = "0s"'))
    run("-d", crawl.log, "push", url)
    crawl.grow()
    time.sleep(1.1)
    run("-d", crawl.log, "push", url)
    crawl.grow()
    time.sleep(1.1)
    proxied.append_only = True
    told = run("-d", crawl.log, "push", url, exits=1)
    assert "cannot remove" in told and "credentials" in told, told
    assert proxied.refused
    holds(run, url, crawl)
