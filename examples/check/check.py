#!/usr/bin/env python3
"""Runs an example and compares what it prints with what it must print.

check.py NAME PROGRAM...: NAME is one of the functions here that end in _check, without the ending.
"""

import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction

import databases
import debugging
import downloads
import servers

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


def power_series_check(program):
    for workers in [1, 2, 8]:
        os.environ["RINGO_MAXPROCS"] = str(workers)
        for count in [0, 1, 12]:
            lines = [f"{name}: {' '.join(map(str, series))}".rstrip() + "\n"
                     for name, series in known_series(count).items()]
            expect_output(program, [str(count)], "".join(lines))

    # Where a coefficient does not fit 64 bits any more it stops; what it has printed is right.
    done = run(program, "40")
    assert done.returncode == 1, done
    message = done.stderr.decode()
    assert message.startswith("power_series: x^") and message.endswith(" needs more than 64 bits\n"), done
    known = known_series(40)
    for line in done.stdout.decode().splitlines():
        name, _, numbers = line.partition(":")
        numbers = list(map(Fraction, numbers.split()))
        assert numbers and numbers == known[name][:len(numbers)], line

    for wrong in [["-1"], ["x"], ["3x"], [""], ["99999999999"], ["1", "2"]]:
        expect_usage(program, wrong)


def known_series(count):
    """The first `count` coefficients, from the formulas of calculus rather than from streams."""
    size = count + 2
    exp = [Fraction(1)]
    for n in range(1, size):
        exp.append(exp[-1] / n)
    tan = [Fraction(0)] * size  # (n + 1) tan[n + 1] = [n = 0] + sum of tan[k] tan[n - k]
    for n in range(size - 1):
        tan[n + 1] = (Fraction(n == 0) + sum(tan[k] * tan[n - k] for k in range(n + 1))) / (n + 1)
    slope = [n * tan[n] for n in range(1, size)]
    composed, power = [Fraction(0)] * size, [Fraction(1)] + [Fraction(0)] * (size - 1)
    for factor in exp:  # the sum of tan^k / k!
        composed = [c + factor * p for c, p in zip(composed, power)]
        power = [sum(power[k] * tan[n - k] for k in range(n + 1)) for n in range(size)]
    known = {"exp(x)": exp, "tan(x)": tan, "tan'(x)": slope, "exp(tan(x))": composed}
    return {name: series[:count] for name, series in known.items()}


def chameneos_check(program):
    words = "zero one two three four five six seven eight nine".split()
    colours = ["blue", "red", "yellow"]
    table = []
    for a in colours:
        for b in colours:
            third = a if a == b else next(c for c in colours if c not in (a, b))
            table.append(f"{a} + {b} -> {third}")
    groups = [colours, "blue red yellow red yellow blue red yellow red blue".split()]
    for workers in [1, 2, 8]:
        os.environ["RINGO_MAXPROCS"] = str(workers)
        for meetings in [0, 1, 600, 6000]:
            done = run(program, str(meetings))
            assert (done.returncode, done.stderr) == (0, b""), done
            lines = done.stdout.decode().split("\n")
            assert lines[:10] == table + [""], lines[:10]
            lines = lines[10:]
            for group in groups:
                assert lines[0] == "".join(f" {colour}" for colour in group), lines[0]
                lives = [line.split(" ") for line in lines[1:len(group) + 1]]
                assert all(life[1:] == ["zero"] for life in lives), lives
                assert sum(int(life[0]) for life in lives) == 2 * meetings, lives
                # Nobody meets itself, so nobody takes part more often than there are meetings.
                assert all(0 <= int(life[0]) <= meetings for life in lives), lives
                total = "".join(f" {words[int(digit)]}" for digit in str(2 * meetings))
                assert lines[len(group) + 1:len(group) + 3] == [total, ""], lines
                lines = lines[len(group) + 3:]
            assert lines == [""], lines
    for wrong in [["-1"], ["x"], ["3x"], [""], ["99999999999999999999"], ["1", "2"]]:
        expect_usage(program, wrong)


def expect_usage(program, arguments):
    done = run(program, *arguments)
    assert (done.returncode, done.stdout) == (2, b""), (arguments, done)
    assert done.stderr.startswith(b"usage: ") and done.stderr.count(b"\n") == 1, (arguments, done)


def write_pages(top, pages):
    for name, text in pages.items():
        path = os.path.join(top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)


def links(*targets):
    return "<html>" + "".join(f'<p><a class="x" href="{target}">{target}</a>' for target in targets)


def crawler_report_check(program):
    """Cycles, deep and broken links, symlinks, links that lead out; each page once, in order."""
    with tempfile.TemporaryDirectory() as outer:
        top = os.path.join(outer, "site")
        up = "../" * 20 + "etc/passwd"
        write_pages(outer, {"outside.html": links("site/index.html"), "site2/index.html": ""})
        write_pages(top, {
            "index.html": links("a.html", "deep/b.html", "index.html", "gone.html", "style.css",
                                "loop/loop/a.html", "out/outside.html", "pipe.html", "empty"),
            "a.html": links("index.html", "a.html", "gone.html", "../outside.html", up,
                            "../site2/index.html", "deep/../a.html", "../site/a.html"),
            "deep/b.html": links("../a.html", "c/d/e/", "c", "/deep/nothing.htm", "/a.html"),
            "deep/c/d/e/index.html": links("../../../../index.html", "last.htm"),
            "deep/c/d/e/last.htm": links(),
            "style.css": links("never.html"),
            "unlinked.html": links("never.html"),
        })
        os.mkdir(os.path.join(top, "empty"))
        os.mkfifo(os.path.join(top, "pipe.html"))  # whoever opens it waits for ever
        os.symlink(".", os.path.join(top, "loop"))
        os.symlink("..", os.path.join(top, "out"))
        gone, out = "No such file or directory", "leads out of the directory"
        expected = "".join(f"{line}\n" for line in [
            "a.html", "deep/b.html", "deep/c/d/e/index.html", "deep/c/d/e/last.htm", "index.html",
            f"a.html: {up}: {out}",
            f"a.html: ../outside.html: {out}",
            f"a.html: ../site2/index.html: {out}",
            f"a.html: gone.html: {gone}",
            f"deep/b.html: /deep/nothing.htm: {gone}",
            f"deep/b.html: c: {gone}",
            f"index.html: empty: {gone}",
            f"index.html: gone.html: {gone}",
            f"index.html: out/outside.html: {out}",
            "index.html: pipe.html: not a file",
        ])
        for workers in [1, 2, 8]:
            os.environ["RINGO_MAXPROCS"] = str(workers)
            for options in [[], ["-j", "1"], ["-j", "3", "-t", "100000", "-d", "1"]]:
                done = run(program, *options, top)
                got = (done.returncode, done.stdout.decode(), done.stderr)
                assert got == (1, expected, b""), f"{options}: expected {expected!r}, got {got}"


def crawler_links_check(program):
    """What counts as a link, and what it names."""
    with tempfile.TemporaryDirectory() as top:
        write_pages(top, {
            "index.html": """
                <a href='single.html'> <a HREF="ignored.html"> <a href=bare.html>x</a>
                <a href = "spaced.html"> <a\nhref="line.html"> <a data-href="ignored.html"> href
                <a href="query.html?a=/b:c#d"> <a href="fragment.html#x?y"> <a href="#top"> <a href="">
                <a href="http://example.org/x.html"> <a href="mailto:someone"> <a href="//example.org/x.html">
                <a href="with%20space%41.html"> <a href="100%.html"> <a href="50%zz.html"> <a href="index.html%00x">
                <a href="a:b/ignored.html"> <a href="./a:b.html"> <a href="broken.html" <a href="unfinished.html
                """,
            **{name: "" for name in ["single.html", "bare.html", "spaced.html", "line.html", "query.html",
                                     "fragment.html", "with spaceA.html", "100%.html", "50%zz.html",
                                     "a:b.html", "broken.html"]},
        })
        pages = ["100%.html", "50%zz.html", "a:b.html", "bare.html", "broken.html", "fragment.html",
                 "index.html", "line.html", "query.html", "single.html", "spaced.html", "with spaceA.html"]
        done = run(program, top)
        lines = done.stdout.decode().split("\n")
        assert (done.returncode, done.stderr) == (1, b""), done
        assert lines[:len(pages)] == pages, lines
        problems = "\n".join(lines[len(pages):])
        assert problems.startswith("index.html: index.html%00x: No such file"), problems
        assert "unfinished.html" in problems and problems.count("index.html: ") == 2, problems

        write_pages(top, {"index.html": links("single.html")})
        expect_output(program, [top], "index.html\nsingle.html\n")


def crawler_limits_check(program):
    """At most N pages at a time, and as many as that."""
    with tempfile.TemporaryDirectory() as top:
        names = [f"page{i:02}.html" for i in range(40)]
        write_pages(top, {"index.html": links(*names), **{name: links(*names) for name in names}})
        expected = "".join(f"{name}\n" for name in ["index.html"] + names)
        started = time.monotonic()
        expect_output(program, ["-j", "2", "-d", "50", top], expected)
        assert time.monotonic() - started >= 0.05 * (1 + 40 / 2), "more than two at a time"
        started = time.monotonic()
        expect_output(program, ["-j", "40", "-d", "1000", top], expected)
        assert time.monotonic() - started < 20, "one after the other would take 41 s"


def crawler_deadline_check(program):
    late = b"crawler: context deadline exceeded\n"
    with tempfile.TemporaryDirectory() as top:
        # A chain: each page is known only when the one before has been read.
        names = ["index.html"] + [f"page{i:03}.html" for i in range(1, 500)]
        write_pages(top, {name: links(after) for name, after in zip(names, names[1:] + ["index.html"])})
        for workers in [1, 2, 8]:
            os.environ["RINGO_MAXPROCS"] = str(workers)
            done = run(program, "-t", "0", top)
            assert (done.returncode, done.stdout, done.stderr) == (1, b"", late), done
            done = run(program, "-t", "500", "-d", "20", top)
            seen = done.stdout.decode().splitlines()
            assert (done.returncode, done.stderr) == (1, late), done
            assert seen == names[:len(seen)] and len(seen) <= 500 / 20, seen
            # Longer than anybody waits: it ends because it gives up the delay, not after it.
            done = run(program, "-t", "50", "-d", "1000000000", top)
            assert (done.returncode, done.stdout, done.stderr) == (1, b"", late), done
        expect_output(program, ["-t", "100000000", top], "".join(f"{name}\n" for name in names))


def crawler_usage_check(program):
    with tempfile.TemporaryDirectory() as top:
        expect_failure(program, [top], f"crawler: {top}: index.html: No such file or directory")
        expect_failure(program, [os.path.join(top, "no")], "no: index.html: No such file or directory")
        os.mkfifo(os.path.join(top, "index.html"))
        expect_failure(program, [top], "index.html: not a file")
        for wrong in [[], [top, top], ["-j", "0", top], ["-j", "x", top], ["-t", "-1", top], ["-d", "", top],
                      ["-j", "99999999999", top], ["-x", top], ["-j"]]:
            done = run(program, *wrong)
            assert (done.returncode, done.stdout) == (2, b""), (wrong, done)
            assert done.stderr.endswith(b" DIR\n"), (wrong, done)
    with tempfile.TemporaryDirectory() as top, open("/dev/full", "w") as full:
        write_pages(top, {"index.html": ""})
        done = subprocess.run([program, top], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False)
        assert done.returncode == 1 and b"cannot write" in done.stderr, done


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
    {**vars(servers), **vars(downloads), **vars(databases), **vars(debugging), **globals()}[sys.argv[1] + "_check"](*sys.argv[2:])
