#!/usr/bin/env python3
"""Runs an example and compares what it prints with what it must print.

check.py NAME PROGRAM: NAME is one of the functions below that end in _check, without the ending.
"""

import os
import subprocess
import sys
import tempfile

# The sources of system headers; further trees are added while the files are too few.
TREES = ["/usr/include", "/usr/share", "/usr/lib"]
FILES_MIN = 10_000

# Far above what any of these takes: for what hangs. Sanitizers and slow disks are counted in.
PATIENCE_S = 240


def run(*command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=PATIENCE_S, **options)


def expect_output(program, arguments, output):
    done = run(program, *arguments)
    got = (done.returncode, done.stdout.decode(), done.stderr.decode())
    assert got == (0, output, ""), f"{arguments}: expected {output!r}, got {got}"


def expect_failure(program, arguments, *parts):
    """Status 1, nothing on stdout, one line on stderr that holds all `parts`."""
    done = run(program, *arguments)
    got = (done.returncode, done.stdout, done.stderr)
    message = os.fsdecode(done.stderr)
    assert done.returncode == 1 and done.stdout == b"", f"{arguments}: {got}"
    assert message.count("\n") == 1 and message.endswith("\n"), f"{arguments}: {got}"
    assert all(part in message for part in parts), f"{arguments}: no {parts} in {message!r}"


def hello_check(program):
    expect_output(program, [],
                  "hello, fiber\nhello, channel\nhello, world\n3 greetings\n")


def pipeline_check(program):
    expect_output(program, [], f"{sum(n * n for n in range(1, 1001))}\n")


def worker_pool_check(program):
    numbers = [str(n) for n in range(1, 301)]
    lines = [f"{n}: {collatz_steps(int(n))}\n" for n in sorted(numbers)]
    expect_output(program, numbers, "".join(lines))
    expect_output(program, [], "")
    expect_failure(program, numbers + ["12x"] + numbers, "worker_pool: 12x: Invalid argument")
    expect_failure(program, ["0"] * 300, "worker_pool: 0: Invalid argument")


def collatz_steps(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def prime_sieve_check(program):
    primes = [n for n in range(2, 1000) if all(n % d for d in range(2, n))]
    for count in [0, 1, 2, 100]:
        expect_output(program, [str(count)], "".join(f"{p}\n" for p in primes[:count]))


def digest_tree_headers_check(program):
    files = 0
    for tree in TREES:
        files += compare_with_sha256sum(program, tree)
        if files >= FILES_MIN:
            break
    assert files >= FILES_MIN, f"only {files} files below {TREES}"
    print(f"{files} files")


def digest_tree_names_check(program):
    """Names that sha256sum escapes or sorting may trip over; sizes around the read buffer's."""
    with tempfile.TemporaryDirectory() as top:
        names = ["a\nb", "a\\b", "a\\nb", "a\rb", "\\", "a b", "a\tb", "a", "a.b", "a-b", "A", "é",
                 b"\xff\xfe", "-", "*", ".hidden", "x" * 255]
        sizes = [0, 1, 65535, 65536, 65537, 1_000_000]
        for folder in ["", "a\\d", "a\nd", "a.d/deep/er", "ad", b"\xfe"]:
            path = os.path.join(os.fsencode(top), os.fsencode(folder))
            os.makedirs(path, exist_ok=True)
            for i, name in enumerate(names):
                with open(os.path.join(path, os.fsencode(name)), "wb") as file:
                    file.write(os.urandom(sizes[i % len(sizes)]))
        os.makedirs(os.path.join(top, "empty"))
        os.symlink("a", os.path.join(top, "link_to_file"))
        os.symlink("ad", os.path.join(top, "link_to_directory"))
        os.symlink("nowhere", os.path.join(top, "link_to_nothing"))
        os.symlink("..", os.path.join(top, "ad", "link_up"))
        os.mkfifo(os.path.join(top, "fifo"))

        assert compare_with_sha256sum(program, top) == 6 * len(names)
        for root in ["/", "/./", "//ad", "/link_to_directory", "/link_to_directory/", "/a", "/fifo",
                     "/empty", "/link_to_file", "/a\nd", "/ad/.."]:
            compare_with_sha256sum(program, top + root)


def compare_with_sha256sum(program, tree):
    pipeline = 'find "$0" -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum'
    expected = run("bash", "-c", "set -o pipefail; " + pipeline, tree, check=True)
    for options in [[], ["-j", "1"]]:
        done = run(program, *options, tree)
        assert (done.returncode, done.stderr) == (0, b""), (options, tree, done.returncode, done.stderr)
        if done.stdout != expected.stdout:
            lines = zip(done.stdout.splitlines() + [None], expected.stdout.splitlines() + [None])
            raise AssertionError((options, tree, next(pair for pair in lines if pair[0] != pair[1])))
    return expected.stdout.count(b"\n")


def digest_tree_error_check(program):
    with tempfile.TemporaryDirectory() as top:
        missing = os.path.join(top, "missing")
        expect_failure(program, [missing], f"digest_tree: {missing}: No such file or directory")

    # A regular file that opens but cannot be read, whoever runs this: nothing is mapped at 0.
    expect_failure(program, ["/proc/self/mem"], "digest_tree: /proc/self/mem: ")

    usage = run(program, "-j", "0", ".")
    assert usage.returncode == 2 and usage.stderr.startswith(b"usage: "), usage
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, sys.argv[0]], stdout=full, stderr=subprocess.PIPE,
                              timeout=PATIENCE_S, check=False)
    assert done.returncode == 1 and b"cannot write" in done.stderr, done


def digest_tree_cancel_check(program):
    """One file fails while others are being read, and many are still to come: everything stops."""
    with tempfile.TemporaryDirectory() as top:
        for i in range(2000):
            with open(os.path.join(top, f"small{i}"), "w") as file:
                file.write(f"{i}")
        # Sparse, but each would take minutes: they must be given up in the middle.
        for i in range(3):
            with open(os.path.join(top, f"large{i}"), "wb") as file:
                file.truncate(1 << 40)
        # Cannot be opened, not by root either: the path is longer than the kernel takes.
        deep = make_long_path(top)
        try:
            # One worker: who reads a large file must still let the others run.
            for workers in [1, 2, 8]:
                os.environ["RINGO_MAXPROCS"] = str(workers)
                expect_failure(program, ["-j", "4", top], f"digest_tree: {deep}",
                               "File name too long")
        finally:
            run("rm", "-rf", top, check=True)  # shutil cannot delete such a path
            os.mkdir(top)


def make_long_path(top):
    """Makes a file whose path has more than PATH_MAX bytes, in a directory whose path has fewer."""
    path = top
    directory = os.open(top, os.O_RDONLY)
    while len(path) < 3900:
        name = "d" * min(200, 4000 - len(path))
        os.mkdir(name, dir_fd=directory)
        inner = os.open(name, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory, path = inner, f"{path}/{name}"
    os.close(os.open("f" * 250, os.O_CREAT | os.O_WRONLY, dir_fd=directory))
    os.close(directory)
    return path


if __name__ == "__main__":
    globals()[sys.argv[1] + "_check"](sys.argv[2])
