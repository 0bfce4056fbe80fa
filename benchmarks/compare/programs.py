"""Finds and runs the rival programs, and tells what machine and tools they ran on."""

import datetime
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

from bars import RIVALS

ROOT = Path(__file__).resolve().parents[2]
# Of what is started.
niceness = 0


class Failure(Exception):
    """A rival's program crashed, hung or printed nonsense; the text says which."""


def find_program(build, name):
    for folder in (build, build / "benchmarks" / "compare"):
        if os.access(folder / name, os.X_OK):
            return folder / name
    return None


def find(build):
    """The programs there are, and for each that is missing the reason."""
    programs, missing = {}, {}
    for rival in RIVALS:
        found = find_program(build, f"compare_{rival}")
        if found:
            programs[rival] = found
        elif rival == "go" and not shutil.which("go"):
            missing[rival] = "no go command"
        else:
            missing[rival] = f"compare_{rival} was not built"
    return programs, missing


def start(command, cpu=None, environment=None):
    """A process with pipes, on the CPU if one is named."""
    def prepare():
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        # A file for each of a thousand connections.
        be_nice(niceness)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    # A session of its own, so that what the program started ends with it.
    return subprocess.Popen([str(each) for each in command], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, errors="replace",
                            env={**os.environ, **(environment or {})}, preexec_fn=prepare,
                            start_new_session=True)


def be_nice(to):
    """For the calling process, which has a session of its own."""
    if to == 0:
        return
    os.setpriority(os.PRIO_PROCESS, 0, to)
    # Sessions get equal shares of a CPU, whatever is nice inside of them; see sched(7).
    group = Path("/proc/self/autogroup")
    if group.exists():
        group.write_text(str(to))


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(program, arguments, timeout, cpu=None, environment=None):
    """The rows that the program printed: {name: (value or None, {field: text})}."""
    return rows_of(printed_by(program, arguments, timeout, cpu, environment).splitlines())


def printed_by(program, arguments, timeout, cpu=None, environment=None):
    process = start([program, *arguments], cpu, environment)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException as error:
        kill(process)
        stderr = process.communicate()[1]
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failure(f"no end after {timeout} s" + tail(stderr)) from None
        raise
    if process.returncode != 0:
        status = process.returncode
        what = f"status {status}" if status > 0 else f"signal {-status}"
        raise Failure(f"ended with {what}" + tail(stderr))
    return stdout


def rows_of(lines):
    rows = {}
    for line in lines:
        try:
            name, value, *fields = line.split("\t")
            rows[name] = (None if value == "n/a" else float(value),
                          dict(field.split("=", 1) for field in fields if field))
        except ValueError:
            raise Failure(f"printed a line that is no row: {line[:80]}") from None
    return rows


def tail(stderr):
    lines = stderr.strip().splitlines()[-8:]
    return "".join("\n    " + line[:200] for line in lines)


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def first_match(path, pattern):
    try:
        match = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except OSError:
        return ""
    return match.group(1).strip() if match else ""


def memory_available_gib():
    return int(first_match("/proc/meminfo", r"^MemAvailable:\s*(\d+)") or 0) / 2**20


def environment(build):
    """Machine, tools and source, for results.json and the line above the table."""
    caches = [folder / "CMakeCache.txt" for folder in [build, *build.resolve().parents]]
    cache = next((path for path in caches if path.exists()), caches[0])
    build_type = first_match(cache, r"^CMAKE_BUILD_TYPE:\w+=(.*)$")
    compiler = first_match(cache, r"^CMAKE_CXX_COMPILER:\w+=(.*)$")
    flags = [first_match(cache, rf"^{name}:\w+=(.*)$")
             for name in ("CMAKE_CXX_FLAGS", f"CMAKE_CXX_FLAGS_{build_type.upper()}")]
    commit = output_of("git", "rev-parse", "--short=12", "HEAD")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0) / 2**20),
        "kernel": platform.release(),
        "compiler": (output_of(compiler, "--version") if compiler else "").split("\n")[0],
        "flags": " ".join(flag for flag in flags if flag),
        "go": output_of("go", "version").replace("go version ", ""),
        "commit": commit + ("-dirty" if commit and output_of("git", "status", "--porcelain") else ""),
    }
