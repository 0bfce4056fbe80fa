"""Checks of the programs that docs/guide/debugging.md tells of: what the page shows is what they print.

In the page, a block behind `<!-- output of: NAME -->` is the whole output, or with `...` lines, parts of it, of
the program debug_NAME. Numbers and addresses may differ.
"""
import os
import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/guide/debugging.md"
GDB_COMMANDS = ROOT / "tools/gdb/ringo_gdb.py"
PATIENCE_S = 240
SKIPPED = 77


def shown(name):
    """The lines of the page's block."""
    text = PAGE.read_text()
    match = re.search(rf"<!-- output of: {name} -->\n```\w*\n(.*?)\n```", text, re.S)
    assert match, f"{PAGE}: no block for {name}"
    return match[1].split("\n")


def masked(line):
    line = re.sub(r"0x[0-9a-f]+", "0x?", line.rstrip())
    line = re.sub(r"\d+", "?", line)
    return re.sub(r"\(\S+\+0x\?\)", "(?)", line)  # module and offset


def expect_shown(name, output):
    """Each line of the block is a line of the output, in this order; without `...` between them, the next one."""
    lines = [masked(line) for line in output.strip("\n").split("\n")]
    at, may_skip = 0, False
    for wanted in shown(name):
        if wanted.strip() == "...":
            may_skip = True
            continue
        if may_skip:
            while at < len(lines) and lines[at] != masked(wanted):
                at += 1
        got = lines[at] if at < len(lines) else "the end"
        assert got == masked(wanted), f"{name}: the page has {wanted!r}, the program {got!r}, in:\n{output}"
        at, may_skip = at + 1, False
    assert may_skip or at == len(lines), f"{name}: more than the page has:\n{output}"


def run(program, environment=(), directory=None):
    limit = resource.RLIM_INFINITY if directory else 0
    done = subprocess.run([os.path.abspath(program)], env={**os.environ, **dict(environment)}, cwd=directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (limit, limit)))
    return done.returncode, done.stdout.decode()


def expect_run(name, program, status=0, environment=()):
    code, output = run(program, environment)
    assert code == status, f"{name}: status {code}:\n{output}"
    expect_shown(name, output)


def deadlock_check(program):
    expect_run("deadlock", program, 2)


def leak_check(program):
    expect_run("leak", program)


def stall_check(program):
    expect_run("stall", program)


def slow_request_check(program):
    expect_run("slow_request", program)


def crash_check(program):
    with tempfile.TemporaryDirectory() as directory:
        code, output = run(program, {"RINGO_TRACEBACK": "crash"}, directory)
        assert code == -6, f"crash: status {code}:\n{output}"
        expect_shown("crash", output)
        cores = [path for path in Path(directory).iterdir() if "core" in path.name]
        if not cores or not shutil.which("gdb"):
            raise SystemExit(SKIPPED)  # the report was as it should be; core files go elsewhere here
        done = subprocess.run(["gdb", "-nx", "-batch", "-x", GDB_COMMANDS, "-ex", "ringo fibers", os.path.abspath(program),
                               cores[0]],
                              env={**os.environ, "DEBUGINFOD_URLS": ""}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S)
        listing = done.stdout.decode()
        rows = {line.split()[1]: line for line in listing.split("\n") if re.match(r" *\d+  \w", line)}
        for name in ["main", "parser", "store"]:
            assert name in rows and any(name in line for line in shown("crash_core")), f"no {name} in:\n{listing}"
        assert re.search(r"parser +running .*spawned in serve", rows["parser"]), f"crash: gdb says:\n{listing}"
