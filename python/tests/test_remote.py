"""Sessions that a remote copy follows, and logs that are read from one."""

import shutil
import time

import pytest
import snaplog


def settings(*urls):
    return {"remote": {"urls": list(urls), "follow": "100 ms"}}


def test_a_session_is_followed_while_it_writes_and_when_it_ends(tmp_path):
    path, url = tmp_path / "log", f"file://{tmp_path}/bucket"
    with snaplog.open(path, config=settings(url)) as log:
        for n in range(50):
            log.add_edge(n, n + 1, weight=n / 7)
        written = log.commit()
        deadline = time.monotonic() + 60
        while True:
            try:
                there = snaplog.stats(url)["last_seq"]
            except snaplog.NotFoundError:
                there = 0
            if there == written:
                break
            assert time.monotonic() < deadline, there
            time.sleep(0.02)
        log.add_node("the last one")
        marker = log.mark(label="the end")
    here = snaplog.restore(path)
    shutil.rmtree(path)
    G = snaplog.restore(url)
    assert list(G.nodes) == list(here.nodes) and list(G.edges(data=True)) == list(here.edges(data=True))
    assert G.graph["snaplog"]["marker"] == marker.id
    assert snaplog.markers(url)[-1] == marker
    assert snaplog.verify(url)["sound"] and snaplog.drill(url, markers="all")["good"]
    assert snaplog.diff(url, "m1", "the end")["nodes"]["added"] > 0


def test_a_store_that_is_away_is_a_warning_and_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    url = f"file://{tmp_path}/file/bucket"
    log = snaplog.open(tmp_path / "log", config=settings(url))
    log.add_node("a")
    with pytest.warns(UserWarning, match="is behind"):
        log.close()
    assert log.closed
    assert snaplog.verify(tmp_path / "log")["sound"]


def test_what_is_no_remote_copy_is_told(tmp_path):
    with pytest.raises(snaplog.NotFoundError):
        snaplog.restore(f"file://{tmp_path}/nothing")
    with pytest.raises(snaplog.Error, match="urls"):
        snaplog.open(tmp_path / "log", config={"remote": {"urls": ["freesound"]}})
