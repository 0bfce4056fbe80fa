"""Checks of the downloader: against the HTTP server among the examples, and against one that misbehaves."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

from servers import PATIENCE_S, SETTINGS, certificate, server

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = bytes(range(256)) * 2000


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def moved(where):
    return b"HTTP/1.1 302 Found\r\nContent-Length: 3\r\nLocation: %s\r\n\r\nto?" % where


class Origin:
    """Answers as `pages` say: bytes are sent; a function is called with the connection and the count of
    requests for that page so far, and ends the connection if it returns true."""

    def __init__(self, pages, tls=None, host="127.0.0.1"):
        self.pages, self.tls, self.host = pages, tls, host
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.connections, self.requests, self.hosts = 0, {}, set()

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                while self.answer(connection, lines):
                    pass

    def answer(self, connection, lines):
        words = lines.readline().split()
        if len(words) != 3:
            return False
        fields = dict(line.lower().strip().split(b": ", 1) for line in iter(lines.readline, b"\r\n"))
        page = words[1].decode()
        with self.lock:
            self.hosts.add(fields[b"host"])
            count = self.requests[page] = self.requests.get(page, 0) + 1
        said = self.pages.get(page, b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
        if isinstance(said, bytes):
            connection.sendall(said)
            return True
        return not said(connection, count)

    def url(self, page):
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}{page}"


class Result:
    def __init__(self, program, *arguments, status, **environment):
        with tempfile.TemporaryDirectory() as directory:
            started = subprocess.Popen([program, "-o", directory, *arguments], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env={**os.environ, **environment})
            try:
                self.meanwhile(started)
                output, errors = started.communicate(timeout=PATIENCE_S)
            finally:
                started.kill()
                started.wait()
            self.files = {name: read(os.path.join(directory, name)) for name in os.listdir(directory)}
            lines = errors.decode().splitlines()
            self.total = lines[-1]
            self.errors = [line for line in lines if " files, " not in line]
            assert started.returncode == status, (started.returncode, output, errors)
            assert sorted(output.decode().split()) == sorted(self.files), (output, self.files.keys())

    def meanwhile(self, process):
        pass

    def failed(self, url, why):
        assert f"downloader: {url}: {why}" in self.errors, (url, why, self.errors)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def downloader_check(program):
    pages = {f"/deep/er/f{i}?{i}": LENGTH % (i * 7001) + (BODY * 2)[:i * 7001] for i in range(40)}
    pages.update({
        "/": LENGTH % 4 + b"root",
        "/a/same": LENGTH % 1 + b"a",
        "/b/same": CHUNKED + chunk(b"b") + b"0\r\n\r\n",
        "/c/.part": LENGTH % 0,
        "/d/": moved(b"../a/same"),
        "/nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
        "/early": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + LENGTH % 5 + b"early",
    })
    for setting in SETTINGS:
        with Origin(pages) as origin:
            for at_a_time in ["1", "3"]:
                origin.connections, origin.requests = 0, {}
                done = Result(program, "-j", at_a_time, *map(origin.url, pages), status=0, **setting)
                for i in range(40):
                    assert done.files[f"f{i}"] == (BODY * 2)[:i * 7001], i
                names = {"index.html": b"root", "_.part": b"", "nothing": b"", "early": b"early"}
                assert names.items() <= done.files.items(), done.files.keys()
                got = sorted(done.files[name] for name in ["same", "same.1", "index.html.1"])
                assert got == [b"a", b"a", b"b"], got
                assert done.errors == [] and done.total.startswith("downloader: 47 of 47 files, "), done.total
                # Each connection is used again, but for the one with what a redirection says besides.
                assert origin.connections <= int(at_a_time) + 1, origin.connections
                assert origin.hosts == {b"127.0.0.1:%d" % origin.port}, origin.hosts


def downloader_server_check(program, http_server):
    """Against the other example: what is streamed, and how the two end connections between them."""
    for setting in SETTINGS:
        with server(http_server, "127.0.0.1:0", **setting) as (host, port):
            urls = [f"http://{host}:{port}/stream?{i}" for i in range(1000, 1020)]
            done = Result(program, f"http://{host}:{port}", *urls, status=0, **setting)
            assert done.files["index.html"] == b"Hello, world\n"
            for i, name in enumerate(["stream"] + [f"stream.{i}" for i in range(1, 20)]):
                assert done.files[name] == b"".join(b"line %d\n" % n for n in range(1000 + i)), name


def downloader_trouble_check(program):
    def cut(connection, count):
        connection.sendall(LENGTH % len(BODY) + BODY[:-1])
        return True

    def cut_once(connection, count):
        return cut(connection, 1) if count == 1 else connection.sendall(LENGTH % len(BODY) + BODY)

    def cut_chunks(connection, count):
        connection.sendall(CHUNKED + chunk(BODY) + b"0\r\n")
        return True

    def busy_once(connection, count):
        connection.sendall(LENGTH % 2 + b"ok" if count == 2 else
                           b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    def until_close(connection, count):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)
        return True

    def stale(connection, count):
        connection.sendall(LENGTH % 1 + b"x")  # it says nothing of closing
        return True

    pages = {
        "/cut": cut, "/cut_once": cut_once, "/cut_chunks": cut_chunks, "/until_close": until_close,
        "/busy_once": busy_once, "/stale?1": stale, "/stale?2": stale, "/stale?3": stale,
        "/busy": b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        "/long": LENGTH % 10 + b"0123456789HTTP/1.1 200 OK\r\n",
        "/after_long": LENGTH % 5 + b"after",
        "/loop": moved(b"/loop"), "/out": moved(b"ftp://example.org/"), "/split": moved(b"/x y"),
        "/nonsense": b"SSH-2.0-x\r\nis another protocol\r\n\r\n",
        "/header": LENGTH[:-2] % 1 + b"x: " + b"y" * 20_000 + b"\r\n\r\nz",
        "/large": LENGTH % (600_000 + 1), "/large_chunks": CHUNKED + chunk(BODY) * 2 + b"0\r\n\r\n",
    }
    expected = {
        "/cut": "partial message", "/cut_chunks": "partial message", "/busy": "HTTP 503 Busy",
        "/loop": "redirected too often", "/out": "not a URL of http or https",
        "/split": "not a URL of http or https", "/nonsense": "bad version",
        "/header": "header limit exceeded", "/large": "too large", "/large_chunks": "too large",
        "/nowhere": "HTTP 404 Not Found",
    }
    for setting in SETTINGS:
        with Origin(pages) as origin:
            urls = list(map(origin.url, [*pages, "/nowhere"]))
            done = Result(program, "-j", "1", "-r", "1", "-m", "600000", *urls, status=1, **setting)
            for page, why in expected.items():
                done.failed(origin.url(page), why)
            assert len(done.errors) == len(expected), done.errors
            assert done.files == {
                "cut_once": BODY, "until_close": BODY, "busy_once": b"ok", "long": b"0123456789",
                "after_long": b"after", "stale": b"x", "stale.1": b"x", "stale.2": b"x"}, done.files.keys()
            # Tried again is what may be better next time, and only that.
            counts = {page: origin.requests[page] for page in
                      ["/cut", "/cut_once", "/busy", "/busy_once", "/nowhere", "/large", "/out"]}
            assert list(counts.values()) == [2, 2, 2, 2, 1, 1, 1], counts
    without_server(program)
    wrong_arguments(program)


def without_server(program):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = "http://127.0.0.1:%d/x" % nobody.getsockname()[1]
    Result(program, "-r", "1", url, status=1).failed(url, "Connection refused")
    urls = ["ftp://a/b", "http://", "http:///x", "http://a b/", "http://u@a/", "http://::1/", "x", ""]
    done = Result(program, *urls, status=1)
    for url in urls:
        done.failed(url, "a URL without a host" if url in ["http://", "http:///x", "http://::1/"]
                    else "not a URL of http or https")
    with Origin({"/x": LENGTH % 1 + b"x"}) as origin:
        done = subprocess.run([program, "-o", "/nowhere", origin.url("/x")], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False)
        assert done.returncode == 1 and done.stdout == b"", done
        assert b"/nowhere/x: No such file or directory" in done.stderr, done


def downloader_silence_check(program):
    """A server that says nothing, one that stops in the middle, and one that never comes to an end."""
    over = threading.Event()

    def silent(connection, count):
        over.wait(PATIENCE_S)

    def stops(connection, count):
        connection.sendall(LENGTH % 1000 + b"x")
        over.wait(PATIENCE_S)

    def drips(connection, count):
        connection.sendall(CHUNKED)
        while not over.wait(0.05):
            connection.sendall(chunk(b"x"))

    for setting in SETTINGS:
        with Origin({"/silent": silent, "/stops": stops, "/drips": drips, "/x": LENGTH % 1 + b"x"}) as origin:
            hung = [origin.url(page) for page in ["/silent", "/stops", "/drips"]]
            done = Result(program, "-s", "1", "-t", "2", "-r", "0", *hung, origin.url("/x"), status=1, **setting)
            for url in hung:
                done.failed(url, "Connection timed out")
            assert done.files == {"x": b"x"}, done.files
    over.set()


def wrong_arguments(program):
    for wrong in [[], ["-j", "0", "http://a"], ["-j", "x", "http://a"], ["-j"], ["-j", "1"], ["-x", "1", "http://a"],
                  ["-s", "-1", "http://a"], ["-s", "9999999999", "http://a"], ["-m", "99999999999999999999", "http://a"], ["--ca"]]:
        done = subprocess.run([program, *wrong], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=PATIENCE_S, check=False)
        assert (done.returncode, done.stdout) == (2, b""), (wrong, done)
        assert done.stderr.startswith(b"usage: "), (wrong, done)


def downloader_tls_check(program):
    def cut(connection, count):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)
        os.close(connection.detach())  # no farewell: somebody on the way may have cut it
        return True

    def whole(connection, count):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)
        connection.unwrap()
        return True

    with certificate() as (trusted, key), certificate() as (other, _):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(trusted, key)
        pages = {"/x": LENGTH % len(BODY) + BODY, "/y": CHUNKED + chunk(BODY) * 9 + b"0\r\n\r\n", "/z": moved(b"x"),
                 "/cut": cut, "/whole": whole, "/down": moved(b"http://127.0.0.1:1/x")}
        for setting in SETTINGS:
            with Origin(pages, tls) as origin, Origin(pages, tls, "127.0.0.2") as unnamed:
                urls = list(map(origin.url, pages))
                done = Result(program, "-r", "1", "--ca", trusted, *urls, status=1, **setting)
                done.failed(origin.url("/cut"), "stream truncated")
                done.failed(origin.url("/down"), "leads away from https")
                assert done.files == {"x": BODY, "y": BODY * 9, "z": BODY, "whole": BODY}, done.files.keys()
                for ca, url in [(other, urls[0]), (trusted, unnamed.url("/x"))]:
                    done = Result(program, "--ca", ca, url, status=1, **setting)
                    done.failed(url, "certificate verify failed")
        done = subprocess.run([program, "--ca", "/nowhere", "https://a"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False)
        assert done.returncode == 2 and b"/nowhere" in done.stderr, done


def downloader_stop_check(program):
    """In the middle of files, and while others wait for their turn: whole files stay, nothing else does."""
    for setting in SETTINGS:
        for number in [signal.SIGINT, signal.SIGTERM]:
            under_way = threading.Semaphore(0)
            over = threading.Event()

            def half(connection, count):
                connection.sendall(LENGTH % len(BODY) + BODY[:-1])
                under_way.release()
                over.wait(PATIENCE_S)

            class Stopped(Result):
                def meanwhile(self, process):
                    for _ in range(2):
                        assert under_way.acquire(timeout=PATIENCE_S)
                    process.send_signal(number)

            pages = {"/whole": LENGTH % 1 + b"x", "/a": half, "/b": half, "/c": half, "/d": half}
            with Origin(pages) as origin:
                done = Stopped(program, "-j", "2", *map(origin.url, pages), status=130, **setting)
                assert done.files == {"whole": b"x"} and done.errors == [], (done.files.keys(), done.errors)
                assert sum(origin.requests.values()) == 3, origin.requests
                over.set()
