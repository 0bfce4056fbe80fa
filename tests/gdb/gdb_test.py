"""Runs program_debugged under gdb with the commands of tools/gdb/ringo_gdb.py, and checks what they print.

    gdb_test.py live|core|stripped PROGRAM GDB_SCRIPT

Exit status 77: there is no gdb with Python here, it may not trace, or (core) the kernel writes no core files
into the working directory.
"""
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
PATIENCE_S = 200

# In gdb: each command's output behind a line with its number. {name} stands for the number of that fiber.
RUNNER = r'''
def number_of(name):
    for line in gdb.execute("ringo fibers", to_string=True).splitlines():
        if line.split()[1:2] == [name]:
            return line.split()[0]
    return name

def run(number, command):
    gdb.write(f"\n@@ {number}\n")
    gdb.flush()
    try:
        gdb.execute(re.sub(r"\{(\w+)\}", lambda m: number_of(m[1]), command))
    except gdb.error as error:
        gdb.write(f"error: {error}\n")
'''

WAITS = {"receiver": "chan receive", "locker": r"sync\.Mutex\.Lock", "selector": "select", "sleeper": "sleep",
         "reader": "net read"}
PLACES = {"receiver": "wait_deep_down", "locker": "lock_what_is_held", "selector": "choose", "sleeper": "sleep_long",
          "reader": "read_nothing", "computer": "compute", "main": "all_are_there|run"}
# The printers of the C++ library fail in their own way at what was optimized out.
BROKEN = re.compile(r"corrupt|inner to this frame|Backtrace stopped|\?\?|in  \(\)|Cannot access|Traceback"
                    r"|Python Exception (?!<class 'gdb.error'>: value has been optimized out)")

failures = []


def expect(condition, what, output):
    if not condition:
        failures.append(f"{what}\n--- in:\n{output}")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def run_gdb(script, arguments, commands):
    """The output of each command."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "commands.py"
        calls = "\n".join(f"run({number}, {command!r})" for number, command in enumerate(commands))
        file.write_text(f"import re\nimport gdb\n{RUNNER}\n{calls}\n")
        # What it has to say about libraries without debug information does not matter here.
        done = subprocess.run(["gdb", "-nx", "-batch", "-x", script, "-x", str(file), *arguments],
                              env={**os.environ, "DEBUGINFOD_URLS": ""}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S)
    if re.search(r"ptrace: Operation not permitted|Could not trace the inferior", done.stdout):
        skip("tracing is forbidden here")
    parts = re.split(r"\n@@ \d+\n", done.stdout)
    expect(len(parts) == len(commands) + 1, "gdb runs all commands", done.stdout)
    if failures:
        report()
    return dict(zip(commands, parts[1:]))


def check_backtrace(output, functions):
    """These functions, in this order, and the fiber's entry as the last line."""
    lines = [line for line in output.splitlines() if line.startswith("#")]
    expect(lines and "fiber_entry" in lines[-1], "the fiber's entry is the last frame", output)
    expect(sum("fiber_entry" in line for line in lines) == 1, "there is one entry", output)
    expect(not BROKEN.search(output), "the backtrace is whole", output)
    rest = iter(lines)
    for function in functions:
        expect(any(re.search(rf"\b{function}\b", line) for line in rest), f"{function} is in its place", output)


def check_table(output, with_lines=True):
    line = r"\S* at debugged\.cpp:\d+, spawned in \S.*" if with_lines else r".*, spawned in \S.*"
    for name, place in PLACES.items():
        state = rf"parked +{WAITS[name]}" if name in WAITS else r"running +thread \d+"
        expect(re.search(rf"^ *\d+  {name} +{state} +({place}){line}$" if with_lines else
                         rf"^ *\d+  {name} +{state} +.*({place}){line}$", output, re.M), f"a line of {name}", output)
    expect(len(re.findall(r"^ *\d+  ", output, re.M)) == len(PLACES), "no other fibers", output)


DEEP = ["wait_deep_down"] * 4 + ["receive"]
VIEWS = ["ringo fibers", "ringo fibers chan|sleep", "ringo bt {receiver}", "ringo bt {locker}", "ringo bt {computer}",
         "ringo bt {main}", "ringo bt all", "ringo bt {receiver} 2", "ringo fiber {receiver}", "up", "ringo fibers ^$",
         "bt", "frame", "ringo fiber {computer}", "ringo fiber", "ringo fiber ", "ringo bt 9", "ringo bt x",
         "ringo fibers ("]


def check_views(seen):
    check_table(seen["ringo fibers"])
    table = seen["ringo fibers chan|sleep"]
    expect("receiver" in table and "sleeper" in table and "locker" not in table, "the regex chooses", table)
    check_backtrace(seen["ringo bt {receiver}"], DEEP)
    expect(re.match(r'fiber \d+ "receiver": parked, chan receive; spawned in run\(', seen["ringo bt {receiver}"]),
           "a title", seen["ringo bt {receiver}"])
    check_backtrace(seen["ringo bt {locker}"], ["lock_what_is_held"])
    check_backtrace(seen["ringo bt {computer}"], ["compute"])
    check_backtrace(seen["ringo bt {main}"], ["run"])
    every = seen["ringo bt all"].split("\n\n")
    expect(len(every) == len(PLACES), "all fibers", seen["ringo bt all"])
    for one in every:
        check_backtrace(one, [next(place for name, place in PLACES.items() if f'"{name}"' in one)])
    two = seen["ringo bt {receiver} 2"]
    expect(len(re.findall(r"^#", two, re.M)) == 2, "arguments of backtrace", two)
    check_selection(seen)
    for command, text in (("ringo fiber ", "No fiber was selected"), ("ringo bt 9", "There is no fiber 9"),
                          ("ringo bt x", "is no number of a fiber"), ("ringo fibers (", "missing ), unterminated")):
        expect(text in seen[command] and not BROKEN.search(seen[command]), command, seen[command])


def check_selection(seen):
    first = re.search(r"^#(\d+) .*wait_deep_down", seen["ringo fiber {receiver}"], re.M)
    expect(first, "the program's own innermost frame", seen["ringo fiber {receiver}"])
    level = first and int(first[1]) + 1
    expect(re.match(rf"#{level} .*wait_deep_down", seen["up"]), "up", seen["up"])
    expect(re.match(rf"#{level} .*wait_deep_down", seen["frame"]), "the frame stays selected", seen["frame"])
    check_backtrace(seen["bt"], DEEP)
    expect("all_are_there" not in seen["bt"], "nothing of the thread", seen["bt"])
    expect(re.search(r"^#\d+ .*compute", seen["ringo fiber {computer}"], re.M), "a running fiber",
           seen["ringo fiber {computer}"])
    expect(re.match(r"#0 .*(all_are_there|pthread_kill)", seen["ringo fiber"]), "back", seen["ringo fiber"])


def live(program, script):
    outside = ["ringo fibers ", "break all_are_there", "run", "backtrace"]
    seen = run_gdb(script, [program], outside + VIEWS + ["ringo fiber {sleeper}", "continue"])
    expect("no process" in seen["ringo fibers "], "a process is needed", seen["ringo fibers "])
    check_backtrace(seen["backtrace"], ["all_are_there", "run"])
    check_views(seen)
    expect("exited normally" in seen["continue"], "the process goes on undisturbed", seen["continue"])


def core(program, script):
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith("|") or "/" in pattern or "%" in pattern:
        skip(f"core files go elsewhere: {pattern}")
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([program, "core"], cwd=directory, stderr=subprocess.DEVNULL, timeout=PATIENCE_S,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (limit, limit)), check=False)
        files = list(Path(directory).iterdir())
        if not files:
            skip("the kernel wrote no core file")
        seen = run_gdb(script, [program, str(files[0])], VIEWS)
    check_views(seen)


def stripped(program, script):
    """Names, where there are no lines; and a word of what is missing, where there is nothing."""
    with tempfile.TemporaryDirectory() as directory:
        for option, check in (("--strip-debug", check_without_lines), ("--strip-all", check_without_symbols)):
            copy = f"{directory}/program{option}"
            subprocess.run(["strip", option, "-o", copy, program], check=True)
            check(run_gdb(script, ["--args", copy, "core"], ["run", "ringo fibers", "ringo bt {receiver}"]))


def check_without_lines(seen):
    check_table(seen["ringo fibers"], with_lines=False)
    check_backtrace(seen["ringo bt {receiver}"], DEEP)


def check_without_symbols(seen):
    expect("No symbol ringo_fiber_layout" in seen["ringo fibers"], "what is missing", seen["ringo fibers"])


def report():
    print("\n\n".join(failures + [f"gdb: {len(failures)} failures"]))
    sys.exit(1 if failures else 0)


def main():
    mode = sys.argv[1]
    program, script = (str(Path(argument).resolve()) for argument in sys.argv[2:])
    if shutil.which("gdb") is None:
        skip("there is no gdb")
    probe = subprocess.run(["gdb", "-nx", "-batch", "-ex", "python print('yes')"], capture_output=True, text=True,
                           check=False)
    if "yes" not in probe.stdout:
        skip("this gdb has no Python")
    {"live": live, "core": core, "stripped": stripped}[mode](program, script)
    report()


if __name__ == "__main__":
    main()
