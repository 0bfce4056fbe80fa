#!/usr/bin/env python3
"""Puts the figures of a `make bench` into the pages: README.md gets a short table and the chart, docs/benchmarks.md all columns.

figures.py [results.json], by default the one that `make bench` writes. results.svg beside it becomes
docs/benchmarks/chart.svg. Replaces what stands between `<!-- figures:begin -->` and `<!-- figures:end -->`.
"""
import json
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "compare"))
sys.dont_write_bytecode = True
from bars import ENGINES, IO_RIVALS, NAMES, RIVALS, ROWS, is_io  # noqa: E402
import report  # noqa: E402
from results import ratio_of  # noqa: E402

DEFAULT = ROOT / "build/release/benchmarks/compare/bench/results.json"
BLOCK = re.compile(r"(<!-- figures:begin -->\n).*?(<!-- figures:end -->)", re.DOTALL)
ALT = "Cost per operation relative to Go, for each workload; left is better"


class Figures:
    def __init__(self, content):
        self.environment = content["environment"]
        self.rounds = content["rounds"]
        self.missing = content["missing"]
        self.cells = {(row["name"], row["workers"]): row for row in content["rows"]}
        self.workers = sorted({workers for _, workers in self.cells})
        # In the suite's order; what it does not know any more comes last.
        order = [row.name for row in ROWS]
        names = dict.fromkeys(name for name, _ in self.cells)
        names = sorted(names, key=lambda name: order.index(name) if name in order else len(order))
        io = {row.name for row in ROWS if is_io(row)}
        self.names = [name for name in names if name not in io]
        self.io_names = [name for name in names if name in io]

    def rival(self, name, workers, rival):
        return self.cells.get((name, workers), {"rivals": {}})["rivals"].get(rival, {})

    def cell(self, name, workers, rival):
        found = self.rival(name, workers, rival)
        if rival in self.missing:
            return "missing"
        if "failure" in found:
            return "failed"
        if "not_available" in found:
            return "n/a"
        if "median" not in found:
            return "–"
        unit = found["unit"]
        note = "\\*" if "note" in found else ""
        return report.figure(found["median"], None if unit == "ns" else unit) + note

    def ratio(self, name, workers, other, ringo="ringo"):
        ours, theirs = (self.rival(name, workers, rival).get("values") for rival in (ringo, other))
        return report.ratio(ratio_of(name, ours, theirs))

    def spread(self, name, workers, rival):
        return report.percent(self.rival(name, workers, rival).get("spread"))

    def where(self):
        e = self.environment
        return (f"{e['cpu']}, {e['cpus']} CPUs, Linux {e['kernel']}, {e['compiler']} ({e['flags']}), "
                f"{e['go'] or 'no Go'}; commit {e['commit']}, {e['date']}; "
                f"medians of {self.rounds} alternate rounds.")

    def notes(self):
        texts = {}
        for (name, _), row in self.cells.items():
            for rival, found in row["rivals"].items():
                text = "n/a: " + found["not_available"] if "not_available" in found else found.get("note")
                if text:
                    texts.setdefault((rival, text), {})[report.WORKLOADS.get(name, name)] = None
        lines = [f"- \\* {NAMES[rival]}, {', '.join(names)}: {text}" for (rival, text), names in texts.items()]
        return lines + [f"- {NAMES[rival]} is missing: {reason}" for rival, reason in self.missing.items()]

    def short(self):
        heads = [report.workers_text(workers) for workers in self.workers]
        rows = [["workload"] + [f"{rival}, {head}" for head in heads for rival in ("ringo", "Go", "ringo/Go")]]
        for name in self.names:
            if name.startswith("idle") or "go" in self.missing:
                continue
            rows.append([name] + [text for workers in self.workers for text in (
                self.cell(name, workers, "ringo"), self.cell(name, workers, "go"), self.ratio(name, workers, "go"))])
        return rows

    def full(self, workers):
        rows = [[f"workload, {report.workers_text(workers)}"] + list(RIVALS.values()) +
                ["ringo/Go", "ringo/threads", "±ringo", "±Go"]]
        for name in self.names:
            if (name, workers) in self.cells:
                rows.append([name] + [self.cell(name, workers, rival) for rival in RIVALS] +
                            [self.ratio(name, workers, "go"), self.ratio(name, workers, "threads"),
                             self.spread(name, workers, "ringo"), self.spread(name, workers, "go")])
        return rows

    def io(self):
        rows = [["I/O, 1 worker"] + list(IO_RIVALS.values()) +
                [f"{NAMES[rival]}/{NAMES[other]}" for other in ("go", "epoll") for rival in ENGINES] +
                [f"±{NAMES[rival]}" for rival in ENGINES] + ["±Go"]]
        for name in self.io_names:
            rows.append([name] + [self.cell(name, 1, rival) for rival in IO_RIVALS] +
                        [self.ratio(name, 1, other, rival) for other in ("go", "epoll") for rival in ENGINES] +
                        [self.spread(name, 1, rival) for rival in (*ENGINES, "go")])
        return rows if self.io_names else []

    def io_short(self):
        """What a request costs the server, and how long the client waits."""
        rows = [["I/O, 1 worker"] + [NAMES[rival] for rival in (*ENGINES, "go", "epoll")]]
        for name in self.io_names:
            if name.endswith(("/p50", "/p99.9")):
                continue
            rows.append([name] + [self.cell(name, 1, rival) for rival in (*ENGINES, "go", "epoll")])
        return rows if self.io_names else []


def table(rows):
    text = ["| " + " | ".join(row) + " |" for row in rows]
    return [text[0], "|---" + "|--:" * (len(rows[0]) - 1) + "|"] + text[1:] if rows else []


def replace(page, lines):
    path = ROOT / page
    text = path.read_text()
    if not BLOCK.search(text):
        sys.exit(f"{page} has no figures block")
    path.write_text(BLOCK.sub(lambda match: match[1] + "\n".join(lines) + "\n" + match[2], text))


def main():
    results = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    if not results.is_file():
        sys.exit(f"no {results}: run `make bench` first")
    figures = Figures(json.loads(results.read_text()))
    drawing = results.with_name("results.svg")
    chart = []
    if drawing.is_file():
        (ROOT / "docs/benchmarks").mkdir(exist_ok=True)
        shutil.copyfile(drawing, ROOT / "docs/benchmarks/chart.svg")
        chart = [f"![{ALT}]({{}})", ""]
    replace("README.md", [line.format("docs/benchmarks/chart.svg") for line in chart] +
            table(figures.short()) + [""] + table(figures.io_short()) + ["", figures.where()])
    lines = [line.format("benchmarks/chart.svg") for line in chart] + [figures.where(), ""]
    for rows in [*(figures.full(workers) for workers in figures.workers), figures.io()]:
        lines += table(rows) + [""]
    replace("docs/benchmarks.md", lines + figures.notes())


if __name__ == "__main__":
    main()
