"""What is left when the process that writes ends in another way than by ``close``."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import snaplog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "crawl.snaplog"


def start(path, body):
    """A process that has committed 100 nodes, added 50 more, and then does ``body``."""
    program = f"""
        import multiprocessing, os, signal, sys, time
        import snaplog

        # Whoever runs the tests in the background may ignore it, and so would this process.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def child(log):
            try:
                log.add_node("from the child")
            except snaplog.ClosedError:
                os._exit(0)
            os._exit(7)

        log = snaplog.open({str(path)!r}, durability="marker", config={{"tiers": {{}}}})
        for n in range(100):
            log.add_node(n, text="x" * 100)
        log.commit()
        for n in range(100, 150):
            log.add_node(n)
    """
    code = textwrap.dedent(program) + textwrap.dedent(body)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def left(path):
    """The nodes that are there afterwards, after which the log can be written again."""
    with snaplog.open(path) as log:
        nodes = len(log.to_networkx())
        log.mark()
    assert snaplog.verify(path)["sound"]
    assert len(snaplog.restore(path)) == nodes
    return nodes


ENDS = {
    "the end of the program": ("", 0, 150),
    "sys.exit": ("sys.exit(3)", 3, 150),
    "an exception": ("raise ValueError", 1, 150),
    "Ctrl-C": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(10)", -signal.SIGINT, 150),
    "os._exit": ("os._exit(3)", 3, None),
    "kill -9": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, None),
}


@pytest.mark.parametrize(("body", "code", "nodes"), ENDS.values(), ids=ENDS)
def test_everything_committed_is_there(path, body, code, nodes):
    process = start(path, body)
    assert process.wait() == code
    found = left(path)
    assert found == nodes if nodes else 100 <= found <= 150


def test_an_exception_in_the_body_keeps_what_was_added(path):
    with pytest.raises(ZeroDivisionError), snaplog.open(path) as log:
        log.add_edge("a", "b")
        raise ZeroDivisionError
    assert left(path) == 2


def test_ctrl_c_in_the_middle_of_a_crawl(path):
    process = start(
        path, "print('go', flush=True)\nwhile True: log.add_node(os.urandom(8).hex()); log.commit()"
    )
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT
    assert left(path) > 150


def test_a_child_that_was_forked_off_leaves_the_log_alone(path):
    process = start(
        path,
        """
        pid = os.fork()
        if pid == 0:
            child(log)
        status = os.waitpid(pid, 0)[1]
        log.add_node("from the parent")
        log.close()
        sys.exit(os.waitstatus_to_exitcode(status))
        """,
    )
    assert process.wait() == 0
    assert left(path) == 151


def test_workers_of_multiprocessing_get_work_and_the_parent_writes(path):
    process = start(
        path,
        """
        with multiprocessing.get_context("fork").Pool(2) as pool:
            for n in pool.imap_unordered(abs, range(1000, 1100)):
                log.add_node(n)
        log.close()
        """,
    )
    assert process.wait() == 0
    assert left(path) == 250


def test_a_child_that_outlives_its_parent_does_not_keep_the_log_locked(path):
    process = start(
        path,
        """
        pid = os.fork()
        if pid == 0:
            os.close(1)
            time.sleep(30)
            os._exit(0)
        print(pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    child = int(process.stdout.readline())
    assert process.wait() == -signal.SIGKILL
    try:
        assert 100 <= left(path) <= 150
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)


def test_the_parent_keeps_the_lock_while_a_child_ends(path):
    with snaplog.open(path) as log:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        with pytest.raises(snaplog.LockedError):
            snaplog.open(path)
        log.add_node("a")


def test_a_log_that_nobody_holds_is_closed(path):
    log = snaplog.open(path)
    log.add_node("a")
    del log
    assert left(path) == 1


def test_python_runs_on_while_the_log_commits(path):
    """The interpreter's lock is released: another thread runs while one waits for the disk."""
    ran = []

    def look():
        while not done.is_set():
            before = time.perf_counter()
            time.sleep(0)
            ran.append((before, time.perf_counter()))

    done = threading.Event()
    looker = threading.Thread(target=look)
    commits = []
    with snaplog.open(path, durability="marker", config={"tiers": {}}) as log:
        looker.start()
        for n in range(200):
            log.put_node(n)
            before = time.perf_counter()
            log.commit()
            commits.append((before, time.perf_counter()))
        done.set()
        looker.join()
    # A turn of the other thread that lies within a commit, from its beginning to its end.
    assert any(a < c and d < b for a, b in commits for c, d in ran)
