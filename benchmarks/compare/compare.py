#!/usr/bin/env python3
"""Runs ringo and its rivals alternately and prints one table per worker count.

A missed bar is a result, not an error; a program that crashes or hangs is: the suite goes on without
it and ends with status 1.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import bars
import chart
import programs
import report
import servers
from programs import ROOT, Failure
from results import Results


class Progress:
    """A line that says what runs and how long is left, from how long its like took before."""

    def __init__(self, tasks, guess):
        self.left = list(tasks)
        self.count = len(tasks)
        self.guess = guess
        self.took = {}
        self.printed = 0.0

    def start(self, task, what):
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if terminal or now - self.printed > 15:
            seconds = int(sum(self.took.get(self.kind(each), self.guess(each)) for each in self.left))
            text = (f"[{self.count - len(self.left) + 1}/{self.count}] {what}, "
                    f"{seconds // 60} min {seconds % 60:02} s left")
            print(f"\r\033[K{text}" if terminal else text, end="" if terminal else "\n",
                  file=sys.stderr, flush=True)
            self.printed = now
        self.started = now

    def end(self, task):
        self.took[self.kind(task)] = time.monotonic() - self.started
        self.left.remove(task)
        if not self.left and sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    @staticmethod
    def kind(task):
        """A task without its round, which comes first."""
        return task[1:]


def alternate(rivals, turn):
    """The rivals in an order that changes with each turn, so that none always runs after another."""
    turn %= len(rivals)
    return rivals[turn:] + rivals[:turn]


def plan(options, found):
    """All runs: (round, workers, workload, rival). Rounds outermost: a busy minute of the machine
    then spoils one round of all rows instead of all rounds of one."""
    rows = {bars.workload_of(row): row for row in bars.ROWS if options.only in row.name}
    return [(round_, workers, workload, rival)
            for round_ in range(options.rounds)
            for workers in options.workers
            for workload, row in rows.items() if round_ < (row.rounds or options.rounds)
            # The other CPUs are for what loads the server.
            if workers == 1 or not bars.is_io(row)
            for rival in alternate(rivals_of(row, found), round_)]


def rivals_of(row, found):
    """Those whose programs there are. For the rows of I/O all: their programs are others."""
    return [rival for rival in row.rivals if rival in found or bars.is_io(row)]


def arguments_of(options, workers, workload):
    arguments = ["--workers", workers, "--exact", workload, "--seconds", options.seconds]
    # A million parked fibers take 5 GB.
    if workload == "parked_million" and programs.memory_available_gib() < 7:
        arguments += ["--size", 100_000]
    return arguments


def measure(options, found):
    results = Results(options.workers)
    tasks = plan(options, found)
    rows_of = {}
    for row in bars.ROWS:
        rows_of.setdefault(bars.workload_of(row), []).append(row)
    guess = {"parked_million": 6.0, "idle": 1.5, "hog_p99": 2.2, "skynet_1m": 1.5, "http_hello": 2.3}
    progress = Progress(tasks, lambda task: guess.get(task[2], options.seconds * 1.4))
    failed = set()
    io = servers.Runner(options)
    for task in tasks:
        round_, workers, workload, rival = task
        rounds = min(options.rounds, rows_of[workload][0].rounds or options.rounds)
        progress.start(task, f"round {round_ + 1} of {rounds}, {report.workers_text(workers)}, "
                             f"{workload}, {bars.NAMES[rival]}")
        # What has failed once is not tried again: a hang would cost its timeout in every round.
        if (workers, workload, rival) not in failed:
            names = [row.name for row in rows_of[workload]]
            try:
                if bars.is_io(rows_of[workload][0]):
                    printed = io.run(workload, rival)
                else:
                    printed = programs.run(found[rival], arguments_of(options, workers, workload),
                                           rows_of[workload][0].timeout)
                if workload in printed and workload not in names:
                    # A workload of several rows that this rival does not have.
                    printed = {name: printed[workload] for name in names}
                for name in names:
                    if name not in printed:
                        raise Failure("printed no such row")
                    results.cell(name, workers, rival).add(*printed[name])
            except servers.Missing as missing:
                for name in names:
                    results.cell(name, workers, rival).add(None, {"note": str(missing)})
            except Failure as failure:
                failed.add((workers, workload, rival))
                for name in names:
                    results.cell(name, workers, rival).failure = str(failure)
        progress.end(task)
    io.close()
    return results


def compare(options, found, missing):
    environment = programs.environment(options.build)
    results = measure(options, found)
    report.print_environment(environment)
    for workers in options.workers:
        report.print_table(results, workers, missing)
    report.print_io_table(results, missing)
    report.print_speed_up(results, missing)
    report.print_notes(results, missing)
    report.print_verdicts(results)
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "results.json", options, environment, missing, results.as_json())
    drawing = chart.draw(results, environment)
    if drawing:
        (options.out / "results.svg").write_text(drawing)
    return bool(results.failures())


def write_json(path, options, environment, missing, rows):
    content = {"environment": environment, "rounds": options.rounds, "seconds": options.seconds,
               "spread": "(max - min) / median", "missing": missing, "rows": rows}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    print(f"\nraw rounds in {path}")


def scaling(options, found, missing):
    """The small workloads beside 1, 1 000 and 1 000 000 parked fibers. What grows with them beyond
    cache misses is a defect."""
    names = [name for name in bars.SCALING if options.only in name]
    rivals = [rival for rival in bars.SCALING_RIVALS if rival in found]
    tasks = [(round_, workers, bystanders, rival)
             for round_ in range(options.rounds) for workers in options.workers
             for bystanders in bars.BYSTANDERS for rival in alternate(rivals, round_)]
    progress = Progress(tasks, lambda task: len(names) * options.seconds * 1.4 + task[2] * 5e-6)
    results = {bystanders: Results(options.workers) for bystanders in bars.BYSTANDERS}
    for task in tasks:
        round_, workers, bystanders, rival = task
        progress.start(task, f"round {round_ + 1} of {options.rounds}, {bystanders} bystanders, "
                             f"{report.workers_text(workers)}, {bars.RIVALS[rival]}")
        printed, failure = {}, None
        try:
            printed = programs.run(found[rival], ["--workers", workers, "--exact", ",".join(names),
                                                  "--seconds", options.seconds,
                                                  "--bystanders", bystanders], 180)
        except Failure as error:
            failure = str(error)
        for name in names:
            cell = results[bystanders].cell(name, workers, rival)
            cell.failure = failure or cell.failure
            if name in printed:
                cell.add(*printed[name])
        progress.end(task)
    environment = programs.environment(options.build)
    report.print_environment(environment)
    for workers in options.workers:
        print_scaling(results, names, workers, rivals)
    failures = [failure for each in results.values() for failure in each.failures()]
    report.print_failures(failures)
    for rival in missing:
        print(f"missing: {bars.RIVALS[rival]}: {missing[rival]}")
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [{"bystanders": bystanders, **row}
            for bystanders, each in results.items() for row in each.as_json()]
    write_json(options.out / "scaling.json", options, environment, missing, rows)
    return bool(failures)


def print_scaling(results, names, workers, rivals):
    header = ["beside n parked, " + report.workers_text(workers)]
    for rival in rivals:
        header += [f"{bars.RIVALS[rival]} n={bystanders:_}".replace("_", " ")
                   for bystanders in bars.BYSTANDERS] + ["growth"]
    lines = []
    for name in names:
        line = [name]
        for rival in rivals:
            medians = [results[bystanders].median(name, workers, rival)
                       for bystanders in bars.BYSTANDERS]
            line += [report.figure(median) for median in medians]
            known = medians[0] and medians[-1]
            line.append(report.ratio(medians[-1] / medians[0]) if known else "–")
        lines.append(line)
    print(report.text_table(header, lines))
    print()


def parse():
    cpus = programs.environment(Path())["cpus"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", metavar="DIR",
                        help="where the programs were built (build/release)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where results.json and results.svg go (bench in the build)")
    parser.add_argument("--only", default="", metavar="SUBSTRING",
                        help="only the workloads whose name has this in it")
    parser.add_argument("--rounds", type=int, default=5, help="of each program (5)")
    parser.add_argument("--seconds", type=float, default=0.35, help="length of a round (0.35)")
    parser.add_argument("--workers", type=lambda text: [int(each) for each in text.split(",")],
                        default=sorted({1, cpus}), help=f"worker counts (1,{cpus})")
    parser.add_argument("--nice", type=int, default=0, metavar="N",
                        help="niceness of what is measured; below 0, which needs rights, it goes "
                             "before other work of a busy machine")
    parser.add_argument("--scaling", action="store_true",
                        help="the small workloads beside up to a million parked fibers")
    options = parser.parse_args()
    options.out = options.out or options.build / "bench"
    programs.niceness = options.nice
    if options.only == "scaling":
        options.scaling, options.only = True, ""
    names = bars.SCALING if options.scaling else [row.name for row in bars.ROWS]
    if not any(options.only in name for name in names):
        parser.error(f"no workload has {options.only!r} in its name")
    return options


def main():
    options = parse()
    found, missing = programs.find(options.build)
    if not found:
        sys.exit(f"no program of this suite under {options.build}: build them first")
    run = scaling if options.scaling else compare
    sys.exit(1 if run(options, found, missing) else 0)


if __name__ == "__main__":
    main()
