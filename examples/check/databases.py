"""Checks of the examples that are clients of databases: each starts a server of its own, and stops it."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from servers import PATIENCE_S, SETTINGS

SKIPPED = 77


def skip(why):
    print("skipped:", why)
    sys.exit(SKIPPED)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        return nobody.getsockname()[1]


@contextlib.contextmanager
def background(command, ready, **options):
    """A server in a process group of its own; yields when it has said `ready`."""
    started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, **options)
    said = []
    try:
        for line in started.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            raise AssertionError((command, started.wait(), b"".join(said)))
        drain = threading.Thread(target=started.stdout.read, daemon=True)
        drain.start()
        yield
    finally:
        started.send_signal(signal.SIGINT)  # to PostgreSQL: at once, whoever is connected
        try:
            started.wait(PATIENCE_S)
        finally:
            started.kill()


def ask(program, *arguments, status=0, meanwhile=None, **environment):
    """Lines of stdout, and of stderr."""
    started = subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={**os.environ, **environment})
    try:
        if meanwhile:
            meanwhile(started)
        output, errors = started.communicate(timeout=PATIENCE_S)
    finally:
        started.kill()
        started.wait()
    assert started.returncode == status, (arguments, started.returncode, output, errors)
    return output.decode().splitlines(), errors.decode().splitlines()


@contextlib.contextmanager
def postgres():
    """Yields the directory of its socket and its port."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres")) or [shutil.which("postgres")]
    if not programs[-1]:
        skip("no PostgreSQL server here")
    where = os.path.dirname(programs[-1])
    options = {}
    with tempfile.TemporaryDirectory() as directory:
        if os.getuid() == 0:  # which the server refuses to be
            user = next(entry for entry in pwd.getpwall() if entry.pw_name in ["postgres", "nobody"])
            os.chown(directory, user.pw_uid, user.pw_gid)

            def drop():
                os.setgroups([])
                os.setgid(user.pw_gid)
                os.setuid(user.pw_uid)
            options = {"preexec_fn": drop}
        options["cwd"] = directory
        data, port = os.path.join(directory, "data"), free_port()
        subprocess.run([where + "/initdb", "-D", data, "-U", "test", "-A", "trust", "-N", "-E", "UTF8",
                        "--no-locale"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       timeout=PATIENCE_S, **options)
        with background([where + "/postgres", "-D", data, "-k", directory, "-p", str(port), "-F",
                         "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=40"],
                        b"ready to accept connections", **options):
            yield directory, port


def postgres_query_check(program):
    with postgres() as (directory, port):
        local = f"host={directory} port={port} user=test dbname=postgres"
        tcp = f"host=127.0.0.1 port={port} user=test dbname=postgres"
        for setting in SETTINGS:
            postgres_answers(program, local, setting)
            postgres_side_by_side(program, tcp, setting)
            postgres_gives_up(program, tcp, setting)
            postgres_hosts(program, port, setting)
    lines, errors = ask(program, f"host=127.0.0.1 port={port}", "select 1", status=1)
    assert lines == [] and "Connection refused" in "".join(errors), (lines, errors)
    assert ask(program, "-x", status=2)[0] == ask(program, "only", status=2)[0] == []


def postgres_answers(program, where, setting):
    lines, _ = ask(program, "-p", "6", "-p", "it's", where, "select $1::int * 7, $2::text || '!', null", **setting)
    assert lines == ["1: 42|it's!|"], lines
    # Much in both directions.
    long = "x" * 100_000
    lines, _ = ask(program, "-p", long, where, "select repeat($1::text, 50) from generate_series(1, 3)", **setting)
    assert lines == ["1: " + long * 50] * 3
    lines, _ = ask(program, where, "select * from generate_series(1, 20000)", **setting)
    assert lines == [f"1: {n}" for n in range(1, 20_001)]
    lines, errors = ask(program, where, "select 1/0", "select 2", "copy (select 1) to stdout", status=1, **setting)
    assert lines == ["2: 2"] and len(errors) == 2, (lines, errors)
    assert sorted(errors) == ["postgres_query: 1: ERROR:  division by zero",
                              "postgres_query: 3: an answer of another kind"], errors
    lines, errors = ask(program, where, "select pg_terminate_backend(pg_backend_pid())", status=1, **setting)
    assert lines == [] and "terminating connection" in errors[0], (lines, errors)


def postgres_side_by_side(program, where, setting):
    """Those that wait in the server are in nobody's way: each waits until all others have come."""
    count = 20
    for statement in [
            "create table if not exists arrived (n int)", "truncate arrived",
            "create or replace procedure meet(inout said text) language plpgsql as $$ begin "
            "insert into arrived values (1); commit; "
            f"while (select count(*) from arrived) < {count} loop perform pg_sleep(0.01); end loop; end $$"]:
        ask(program, where, statement, **setting)
    lines, errors = ask(program, where, *["call meet('met')"] * count, **setting)
    assert sorted(lines) == sorted(f"{n}: met" for n in range(1, count + 1)), (lines, errors)


def under_way(program, where):
    lines, _ = ask(program, where, "select count(*) from pg_stat_activity where query like 'select pg_sleep%'")
    return int(lines[0].removeprefix("1: "))


def postgres_gives_up(program, where, setting):
    """By the deadline, and by a signal; and the server is told to give up too."""
    slow = ["select pg_sleep(1000)"] * 3
    started = time.monotonic()
    lines, errors = ask(program, "-t", "1", where, *slow, "select 1", status=1, **setting)
    assert lines == ["4: 1"], lines
    assert sorted(errors) == [f"postgres_query: {n}: context deadline exceeded" for n in [1, 2, 3]], errors
    assert time.monotonic() - started < PATIENCE_S
    assert under_way(program, where) == 0

    def interrupt(process):
        while under_way(program, where) < 3:
            pass
        process.send_signal(signal.SIGINT)

    _, errors = ask(program, where, *slow, status=1, meanwhile=interrupt, **setting)
    assert sorted(errors) == [f"postgres_query: {n}: context canceled" for n in [1, 2, 3]], errors
    assert under_way(program, where) == 0


def postgres_hosts(program, port, setting):
    """libpq closes its descriptor and opens another, which gets the same number, for the second host."""
    where = f"host=127.0.0.1,127.0.0.1 port={free_port()},{port} user=test dbname=postgres"
    lines, _ = ask(program, where, *["select inet_server_port()"] * 8, **setting)
    assert sorted(lines) == sorted(f"{n}: {port}" for n in range(1, 9)), lines
    # One that takes connections and says nothing is given up with the context.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"host=127.0.0.1 port={silent.getsockname()[1]}"
        lines, errors = ask(program, "-t", "0.2", where, "select 1", status=1, **setting)
        assert lines == [] and errors[0] == "postgres_query: 1: context deadline exceeded", (lines, errors)


@contextlib.contextmanager
def redis():
    """Yields its port and the path of its socket."""
    program = shutil.which("redis-server")
    if not program:
        skip("no Redis server here")
    with tempfile.TemporaryDirectory() as directory:
        port, path = free_port(), os.path.join(directory, "socket")
        with background([program, "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", path, "--dir", directory,
                         "--save", "", "--appendonly", "no"], b"The server is now ready to accept connections at "):
            yield port, path


def redis_pipeline_check(program):
    with redis() as (port, path):
        for setting in SETTINGS:
            for where in [path, f"127.0.0.1:{port}", f"localhost:{port}"]:
                redis_answers(program, where, setting)
            redis_gives_up(program, path, setting)
    lines, errors = ask(program, f"127.0.0.1:{port}", "PING", status=1)
    assert lines == [] and errors == ["redis_pipeline: 1: Connection refused"], (lines, errors)
    assert ask(program, "-x", status=2)[0] == ask(program, "only", status=2)[0] == []


def redis_answers(program, where, setting):
    def said(*arguments, **options):
        return ask(program, *arguments, **options, **setting)

    said(where, "FLUSHALL")
    lines, errors = said(where, "SET a 1; INCR a; GET a; GET b; LPUSH l x y; LRANGE l 0 -1; PING")
    assert (lines, errors) == ([f"1: {reply}" for reply in ["OK", "2", "2", "(nil)", "2", "[y, x]", "PONG"]], [])
    lines, errors = said(where, "INCR l; PING", status=1)
    assert lines[0].startswith("1: (error) WRONGTYPE") and lines[1:] == ["1: PONG"], lines
    assert errors == ["redis_pipeline: 1: got an error"], errors
    # More than the buffers of the system hold, in both directions, over four connections.
    long = "x" * 10_000
    lines, _ = said("-n", "100", where, *[f"INCR count; ECHO {long}; ECHO {long}"] * 4)
    assert len(lines) == 12 and sum(line.endswith(": " + long) for line in lines) == 8
    assert "1: 400" in said(where, "GET count")[0]
    # What waits in the server is in nobody's way: here each waits for the next one, and the last for none.
    chain = [f"BLPOP c{n} 0; LPUSH c{n + 1} x" for n in range(20)]
    lines, _ = said(where, *chain, "LPUSH c0 x")
    assert sorted(lines) == sorted([line for n in range(20) for line in [f"{n + 1}: [c{n}, x]", f"{n + 1}: 1"]] +
                                   ["21: 1"]), lines
    # It hangs up in the middle; also while there is much to send, which must not end us by a signal.
    lines, errors = said(where, "QUIT; PING", status=1)
    assert lines == ["1: OK"] and len(errors) == 1 and "losed" in errors[0], (lines, errors)
    lines, errors = said("-n", "100", where, f"QUIT; ECHO {long}", "PING", status=1)
    assert lines == ["2: PONG"] and len(errors) == 1, (lines, errors)


def redis_gives_up(program, where, setting):
    lines, errors = ask(program, "-t", "0.5", where, *["BLPOP never 0"] * 3, "PING", status=1, **setting)
    assert lines == ["4: PONG"], lines
    assert sorted(errors) == [f"redis_pipeline: {n}: context deadline exceeded" for n in [1, 2, 3]], errors

    def interrupt(process):
        while "blocked_clients:1" not in "".join(ask(program, where, "INFO clients")[0]):
            pass
        process.send_signal(signal.SIGTERM)

    lines, errors = ask(program, where, "BLPOP never 0", status=1, meanwhile=interrupt, **setting)
    assert (lines, errors) == ([], ["redis_pipeline: 1: context canceled"]), (lines, errors)
