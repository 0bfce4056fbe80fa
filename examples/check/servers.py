"""Checks of the examples that serve: starts one, talks to it as its users would, and ends it."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time

PATIENCE_S = 60  # for what hangs

# One worker, and several, under either engine.
SETTINGS = [{"RINGO_MAXPROCS": workers, "RINGO_ENGINE": engine}
            for workers in ["1", "2"] for engine in ["automatic", "epoll"]]


@contextlib.contextmanager
def server(program, *arguments, status=0, end=signal.SIGTERM, **environment):
    """A server that listens on a port of loopback, which it prints; it must end as told to."""
    started = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, **environment})
    try:
        host, _, port = started.stdout.readline().decode().strip().rpartition(":")
        yield host, int(port)
        started.send_signal(end)
        output, errors = started.communicate(timeout=PATIENCE_S)
        assert (started.returncode, output, errors) == (status, b"", b""), \
            (started.returncode, output, errors)
    finally:
        started.kill()
        started.wait()


def connect(address):
    return socket.create_connection(address, timeout=PATIENCE_S)


def read_all(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


def has_ended(connection):
    """Also if it was never accepted: the kernel resets those as the listener closes."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def tcp_echo_check(program):
    for setting in SETTINGS:
        with server(program, "127.0.0.1:0", **setting) as address:
            clients = [connect(address) for _ in range(50)]
            for number, client in enumerate(clients):
                client.sendall(b"%d," % number * 300)
            for number, client in enumerate(clients):
                client.shutdown(socket.SHUT_WR)
                assert read_all(client) == b"%d," % number * 300
            idle = connect(address)  # does not keep the server from ending
        assert has_ended(idle)


def tcp_proxy_check(program):
    for setting in SETTINGS:
        proxy_passes_on(program, setting)
    proxy_drains(program)
    proxy_without_service(program)


def proxy_passes_on(program, setting):
    data = os.urandom(1_000_000)
    with socket.create_server(("127.0.0.1", 0)) as service:
        target = "127.0.0.1:%d" % service.getsockname()[1]
        with server(program, "127.0.0.1:0", target, **setting) as address:
            client = connect(address)
            behind, _ = service.accept()
            client.sendall(data[:1000])
            client.shutdown(socket.SHUT_WR)
            assert read_all(behind) == data[:1000]  # the half-close arrives ...
            behind.sendall(data)                    # ... and the other direction goes on
            behind.close()
            assert read_all(client) == data
            client, (behind, _) = connect(address), service.accept()
            client.sendall(b"x")
            assert behind.recv(1) == b"x"
            behind.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            behind.close()
            assert has_ended(client)


def proxy_drains(program):
    with socket.create_server(("127.0.0.1", 0)) as service:
        target = "127.0.0.1:%d" % service.getsockname()[1]
        # In time: what was under way is finished.
        with server(program, "127.0.0.1:0", target, "60") as address:
            client, (behind, _) = connect(address), service.accept()
            client.sendall(b"before")
            assert behind.recv(6) == b"before"
            child = [int(line.split()[0]) for line in subprocess.run(
                ["pgrep", "-P", str(os.getpid()), "-f", program], stdout=subprocess.PIPE,
                check=True).stdout.splitlines()]
            os.kill(child[0], signal.SIGTERM)
            wait_until_closed(address)
            behind.sendall(b"after")
            assert client.recv(5) == b"after"
            behind.close()
            client.close()
        # Too late: it is cut, and the status says so.
        with server(program, "127.0.0.1:0", target, "0", status=1) as address:
            client, (behind, _) = connect(address), service.accept()
        assert client.recv(1) == b"" and behind.recv(1) == b""


def wait_until_closed(address):
    """Waits until nobody listens there any more; a connection to find that out would be in the way."""
    listening = "0100007F:%04X 00000000:0000 0A" % address[1]
    while True:
        with open("/proc/net/tcp", encoding="ascii") as table:
            if listening not in table.read():
                return
        time.sleep(0.01)


def proxy_without_service(program):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        target = "127.0.0.1:%d" % nobody.getsockname()[1]
    started = subprocess.Popen([program, "127.0.0.1:0", target], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    host, _, port = started.stdout.readline().decode().strip().rpartition(":")
    try:
        assert connect((host, int(port))).recv(1) == b""
    except ConnectionResetError:  # at the latest; the proxy is fast
        pass
    started.terminate()
    _, errors = started.communicate(timeout=PATIENCE_S)
    assert started.returncode == 0 and errors == b"tcp_proxy: %s: Connection refused\n" % \
        target.encode(), errors


class guest:
    def __init__(self, address):
        self.stream = connect(address).makefile("rw", newline="\n")

    def say(self, *lines):
        self.stream.write("".join(line + "\n" for line in lines))
        self.stream.flush()

    def hears(self, *lines):
        for line in lines:
            got = self.stream.readline()
            assert got == line + "\n", (got, line)


def chat_server_check(program):
    for setting in SETTINGS:
        with server(program, "127.0.0.1:0", **setting) as address:
            ann = guest(address)
            ann.hears("* guest1 is here")
            bob = guest(address)
            for one in [ann, bob]:
                one.hears("* guest2 is here")
            ann.say("/nick ann", "hello")
            for one in [ann, bob]:
                one.hears("* guest1 is now ann", "ann: hello")
            bob.say("/nick bob", "/join tea", "anybody?", "/who")
            ann.hears("* guest2 is now bob", "* bob has left")
            bob.hears("* guest2 is now bob", "* bob is here", "bob: anybody?", "* bob")
            ann.say("/join tea")
            for one in [ann, bob]:
                one.hears("* ann is here")
            bob.say("x" * 5000)  # longer than a line may be: the end for bob
            ann.hears("* bob has left")
            ann.say("still here", "/quit")
            ann.hears("ann: still here")
        assert ann.stream.read() == ""


def curl(*arguments, status=0):
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(PATIENCE_S),
                           *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == status, (arguments, done)
    return done.stdout


def http_server_check(program):
    for setting in SETTINGS:
        with server(program, "127.0.0.1:0", **setting) as address:
            talk_http("http://%s:%d" % address)
            pipelined(address)
            malformed(address)
            refused(address)
            idle = connect(address)
        assert has_ended(idle)
    http_finishes_what_is_under_way(program)


def talk_http(url, *options):
    assert curl(*options, url + "/") == b"Hello, world\n"
    # Two requests over one connection.
    twice = curl(*options, "--write-out", "%{num_connects}", url + "/", url + "/")
    assert twice == b"Hello, world\n1Hello, world\n0", twice
    lines = b"".join(b"line %d\n" % n for n in range(1000))
    assert curl(*options, url + "/stream?1000") == lines
    status = ["--write-out", "%{http_code}", "--output", os.devnull]
    assert curl(*options, *status, url + "/nowhere") == b"404"
    assert curl(*options, *status, "--header", "x: " + "x" * 20_000, url + "/") == b"431"
    with tempfile.NamedTemporaryFile() as body:
        body.write(os.urandom(1 << 20))
        body.flush()
        post = ["--data-binary", "@" + body.name, url + "/echo"]
        with open(body.name, "rb") as sent:
            assert curl(*options, *post) == sent.read()
        body.write(b"x")
        body.flush()
        assert curl(*options, *status, "--header", "Expect:", *post) == b"413"


def pipelined(address):
    client = connect(address)
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 99 +
                   b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert read_all(client).count(b"\r\n\r\nHello, world\n") == 100


def malformed(address):
    for nonsense in [b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"no request at all\r\n\r\n"]:
        client = connect(address)
        client.sendall(nonsense)
        assert b" 400 " in read_all(client)


def refused(address):
    """Who reads only when all is said gets the answer all the same."""
    client = connect(address)
    client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8_000_000)
    assert b" 413 " in read_all(client)


def http_finishes_what_is_under_way(program):
    with server(program, "127.0.0.1:0", RINGO_MAXPROCS="2") as address:
        client = connect(address)
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        other = connect(address)  # what it gets shows that the first one is being served
        other.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_all(other).endswith(b"Hello, world\n")
        subprocess.run(["pkill", "-TERM", "-P", str(os.getpid()), "-f", program], check=True)
        wait_until_closed(address)
        client.sendall(b"cd")
        assert read_all(client).endswith(b"\r\n\r\nabcd")


@contextlib.contextmanager
def certificate():
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    with tempfile.TemporaryDirectory() as directory:
        made, key = directory + "/certificate.pem", directory + "/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", made],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield made, key


def http_server_tls_check(program):
    with certificate() as (trusted, key):
        for setting in SETTINGS:
            with server(program, "127.0.0.1:0", trusted, key, **setting) as address:
                talk_http("https://%s:%d" % address, "--cacert", trusted)
                plain = connect(address)
                plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
                read_all(plain)  # whatever it is, it ends


def http_server_load_check(program):
    for setting in SETTINGS:
        with server(program, "127.0.0.1:0", **setting) as address:
            done = subprocess.run(["wrk", "-t1", "-c100", "-d1", "http://%s:%d/" % address],
                                  stdout=subprocess.PIPE, check=True, timeout=PATIENCE_S)
            report = done.stdout.decode()
            assert "Requests/sec" in report, report
            assert "Non-2xx" not in report and "Socket errors" not in report, report
