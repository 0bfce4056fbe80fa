"""Runs the rows of I/O. What is measured has the last CPU for itself; what loads it has the first."""

import contextlib
import ctypes
import http.client
import os
import select
import shutil
import struct
import time
from collections import namedtuple
from pathlib import Path

import programs
from programs import Failure

HERE = Path(__file__).resolve().parent
# Shorter rounds of a server are mostly noise.
SECONDS_MIN = 0.5
HTTP_CONNECTIONS = 64
BODY = b"Hello, world\n"
IO_URING_SETUP = 425  # the same on all architectures but alpha
BLOCKS = 16 * 1024
BLOCK_SIZE = 4096

# A server's first line is its port on 127.0.0.1, perhaps behind an address; it serves until killed.
Command = namedtuple("Command", "program arguments environment", defaults=((), {}))
IO_URING, EPOLL = {"RINGO_ENGINE": "io_uring"}, {"RINGO_ENGINE": "epoll"}
COMMANDS = {
    "tcp_echo": {
        "ringo_io_uring": Command("compare_ringo_echo", environment=IO_URING),
        "ringo_epoll": Command("compare_ringo_echo", environment=EPOLL),
        "go": Command("compare_go", ("--workers", "1", "--serve", "echo")),
        "threads": Command("compare_echo", ("threads",)),
        "epoll": Command("compare_echo", ("epoll",)),
    },
    "http_hello": {
        "ringo_io_uring": Command("compare_ringo_http", ("127.0.0.1:0",), IO_URING),
        "ringo_epoll": Command("compare_ringo_http", ("127.0.0.1:0",), EPOLL),
        "go": Command("compare_go", ("--workers", "1", "--serve", "http")),
    },
    # No servers: these print their rows as the workloads without I/O do.
    "read_4k": {
        "ringo_io_uring": Command("compare_ringo", environment=IO_URING),
        "ringo_epoll": Command("compare_ringo", environment=EPOLL),
        "go": Command("compare_go"),
        "threads": Command("compare_threads"),
    },
}


def is_io_uring_denied():
    """Containers often forbid it, and a ringo that is told to use it then fails."""
    parameters = ctypes.create_string_buffer(120)
    ring = ctypes.CDLL(None, use_errno=True).syscall(IO_URING_SETUP, 1, parameters)
    if ring < 0:
        return True
    os.close(ring)
    return False


class Missing(Exception):
    """Something the row needs is not here; the text says what."""


class Runner:
    """Runs one workload of one rival at a time."""

    def __init__(self, options):
        self.build = options.build
        self.seconds = options.seconds
        self.folder = options.out
        allowed = sorted(os.sched_getaffinity(0))
        self.load_cpu, self.cpu = allowed[0], allowed[-1]
        self.file = None
        self.io_uring_denied = is_io_uring_denied()
        self.echoes = {}

    def run(self, workload, rival):
        """The rows of the workload, as programs.run returns them."""
        family = workload.split("/")[0]
        if family == "tcp_echo":
            return self.echo(workload, rival)
        command, path = self.program_of(family, rival)
        if family == "read_4k":
            return self.read(workload, path, command)
        with Server(path, command, self.cpu) as server:
            return self.http(workload, server)

    def close(self):
        """Takes away what it made."""
        if self.file:
            self.file.unlink()

    def program_of(self, family, rival):
        command = COMMANDS[family][rival]
        path = self.path(command.program)
        if command.environment is IO_URING and self.io_uring_denied:
            raise Missing("io_uring is denied here")
        return command, path

    def path(self, program):
        found = programs.find_program(self.build, program)
        if not found and program == "compare_go" and not shutil.which("go"):
            raise Missing("no go command")
        if not found:
            raise Missing(f"{program} was not built")
        return found

    def read(self, workload, path, command):
        if not self.file:
            self.file = write_blocks(self.folder)
        arguments = ["--workers", 1, "--exact", workload, "--seconds", self.seconds,
                     "--file", self.file]
        return programs.run(path, arguments, 60, self.cpu, command.environment)

    def echo(self, workload, rival):
        """All servers at once, side by side: whoever is asked for first runs them for the others."""
        found = self.echoes.setdefault(workload, {})
        if rival not in found:
            found.update(self.echo_all(workload))
        outcome = found.pop(rival)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def echo_all(self, workload):
        """{rival: its rows, or why there are none}. What goes wrong with one spoils it for all."""
        outcomes = {}
        try:
            self.echo_beside(workload, outcomes)
        except Failure as failure:
            return {rival: outcomes.get(rival, failure) for rival in COMMANDS["tcp_echo"]}
        return outcomes

    def echo_beside(self, workload, outcomes):
        seconds = max(self.seconds, SECONDS_MIN)
        with contextlib.ExitStack() as running:
            arguments = []
            for rival in COMMANDS["tcp_echo"]:
                try:
                    command, path = self.program_of("tcp_echo", rival)
                    server = running.enter_context(Server(path, command, self.cpu))
                    arguments += ["--server", rival, server.port, server.pid]
                except (Missing, Failure) as error:
                    outcomes[rival] = error
            arguments += ["--connections", workload.split(":")[1], "--seconds", seconds]
            timeout = 60 + 2 * seconds * len(COMMANDS["tcp_echo"])
            rows = programs.run(self.path("compare_load"), arguments, timeout, self.load_cpu)
        for name, row in rows.items():
            rival, figure = name.split("/")
            outcomes.setdefault(rival, {})[f"{workload}/{figure}"] = row

    def http(self, workload, server):
        if not shutil.which("wrk"):
            raise Missing("no wrk command")
        server.get_hello()
        self.wrk(workload, server)
        before = server.cpu_time()
        rows = self.wrk(workload, server)
        cpu = server.cpu_time() - before
        fields = rows[f"{workload}/rate"][1]
        rows[f"{workload}/cpu"] = (1e9 * cpu / int(fields["n"]), {"n": fields["n"]})
        return rows

    def wrk(self, workload, server):
        # A second is the least it can do.
        arguments = ["-t1", f"-c{HTTP_CONNECTIONS}", "-d1s", "-s", HERE / "io" / "rows.lua",
                     f"http://127.0.0.1:{server.port}/", "--", workload]
        printed = programs.printed_by("wrk", arguments, 60, self.load_cpu)
        # Among wrk's own lines.
        return programs.rows_of(line for line in printed.splitlines() if "\t" in line)


class Server:
    """A server's process, for the time of a with statement."""

    def __init__(self, path, command, cpu):
        self.process = programs.start([path, *command.arguments], cpu, command.environment)
        self.pid = self.process.pid
        self.port = None

    def __enter__(self):
        try:
            ready, _, _ = select.select([self.process.stdout], [], [], 20)
            line = self.process.stdout.readline().strip() if ready else ""
            port = line.rpartition(":")[2]
            if not port.isdigit():
                raise Failure(f"printed no port but {line!r}" + self.end())
        except BaseException:
            self.end()
            raise
        self.port = int(port)
        return self

    def __exit__(self, kind, error, _):
        died = self.process.poll()
        stderr = self.end()
        if died is not None:
            raise Failure(f"the server ended with status {died}" + stderr) from error
        return False

    def end(self):
        programs.kill(self.process)
        return programs.tail(self.process.communicate()[1])

    def cpu_time(self):
        """Seconds, of all its threads, as clock_getcpuclockid(3) has them."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def get_hello(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            client.request("GET", "/")
            response = client.getresponse()
            if response.status != 200 or response.read() != BODY:
                raise Failure("the answer to GET / is not the greeting")
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"GET /: {error}") from None
        finally:
            client.close()


def write_blocks(folder):
    """A file on disk whose blocks begin with their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "read_4k.data"
    rest = bytes(BLOCK_SIZE - 8)
    with path.open("wb") as file:
        for block in range(BLOCKS):
            file.write(struct.pack("<Q", block) + rest)
        # What is not on disk yet would stay in memory when a program asks for it to be dropped.
        file.flush()
        os.fsync(file.fileno())
    return path
