"""Prints results as tables of plain text."""

from bars import ENGINES, IO_RIVALS, NAMES, RIVALS, ROWS, is_io, ours, workload_of

WORKLOADS = {row.name: workload_of(row) for row in ROWS}


def figure(value, unit=None):
    """Three digits and a unit; times are nanoseconds unless they say otherwise."""
    if value is None:
        return "–"
    if unit == "bytes":
        return f"{value:.0f} B"
    if unit == "%":
        return f"{value:.3f} %"
    if unit:
        return f"{value / 1000:.1f} k/s" if unit == "1/s" and value >= 1000 else f"{value:.1f} {unit}"
    for limit, name in ((1e4, "ns"), (1e7, "µs"), (1e10, "ms")):
        if value < limit:
            scaled = value / (limit / 1e4)
            return f"{scaled:.{0 if scaled >= 100 else 1}f} {name}"
    return f"{value / 1e9:.1f} s"


def ratio(value):
    if value is None:
        return "–"
    return f"{value:.2g}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def text_table(header, lines):
    widths = [max(len(line[i]) for line in [header] + lines) for i in range(len(header))]
    def text(line):
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        return "  ".join(cells).rstrip()
    return "\n".join([text(header), "  ".join("-" * width for width in widths)] +
                     [text(line) for line in lines])


def bar_text(row):
    return ", ".join(limit_text(row, bar) for bar in row.bars)


def limit_text(row, bar):
    if bar.kind in NAMES:
        return f"≤ {bar.limit} {NAMES[bar.kind]}"
    if bar.kind == "speed_up":
        return f"≥ {bar.limit} threads' speed-up"
    unit = {"parked_million/bytes": "bytes", "idle/cpu": "%", "idle/wakeups": "1/s"}.get(row.name)
    return "≤ " + figure(bar.limit, unit)


def cell_text(results, row, workers, rival, missing):
    if rival in missing:
        return "missing"
    if not results.has(row.name, workers, rival):
        return "–"
    cell = results.cell(row.name, workers, rival)
    if cell.failure:
        return "FAILED"
    if cell.not_available:
        return "n/a"
    return figure(cell.median(), cell.field("unit")) + ("*" if cell.field("note") else "")


def mark_text(results, row, workers, rival):
    verdicts = results.verdicts(row, workers, rival)
    if "miss" in verdicts:
        return "miss†" if row.bars[0].other else "miss"
    return "PASS" if verdicts else ""


def spread_text(results, row, workers, rival):
    known = results.has(row.name, workers, rival)
    return percent(results.cell(row.name, workers, rival).spread() if known else None)


def rows_of(results, workers):
    return [row for row in ROWS if any(name == row.name and count == workers
                                       for name, count, _ in results.cells)]


def workers_text(workers):
    return "1 worker" if workers == 1 else f"{workers} workers"


def print_table(results, workers, missing):
    rows = [row for row in rows_of(results, workers) if not is_io(row)]
    if not rows:
        return
    header = ["workload, " + workers_text(workers)] + list(RIVALS.values())
    header += ["ringo/Go", "ringo/threads", "±ringo", "±Go", "bar", ""]
    lines = []
    for row in rows:
        mark = mark_text(results, row, workers, "ringo")
        spreads = [spread_text(results, row, workers, rival) for rival in ("ringo", "go")]
        lines.append([row.name] +
                     [cell_text(results, row, workers, rival, missing) for rival in RIVALS] +
                     [ratio(results.ratio(row.name, workers, "ringo", other))
                      for other in ("go", "threads")] + spreads + [bar_text(row), mark])
    print(text_table(header, lines))
    print()


def print_io_table(results, missing):
    """Both engines of ringo against Go and against epoll by hand."""
    rows = [row for row in rows_of(results, 1) if is_io(row)]
    if not rows:
        return
    short = {"ringo_io_uring": "io_uring", "ringo_epoll": "epoll", "go": "Go", "epoll": "by hand"}
    pairs = [(rival, other) for other in ("go", "epoll") for rival in ENGINES]
    header = ["I/O, 1 worker"] + list(IO_RIVALS.values())
    header += [f"{short[rival]}/{short[other]}" for rival, other in pairs]
    header += ["±" + name for name in short.values()] + ["bar"] + [short[each] for each in ENGINES]
    lines = []
    for row in rows:
        lines.append([row.name] +
                     [cell_text(results, row, 1, rival, missing) for rival in IO_RIVALS] +
                     [ratio(results.ratio(row.name, 1, rival, other)) for rival, other in pairs] +
                     [spread_text(results, row, 1, rival) for rival in short] + [bar_text(row)] +
                     [mark_text(results, row, 1, rival) for rival in ENGINES])
    print(text_table(header, lines))
    print()


def print_speed_up(results, missing):
    for row in ROWS:
        bar = next((bar for bar in row.bars if bar.kind == "speed_up"), None)
        if not bar:
            continue
        for workers in results.workers:
            rivals = [rival for rival in RIVALS if workers > 1 and rival not in missing
                      and results.speed_up(row.name, workers, rival)]
            if not rivals:
                continue
            each = ", ".join(f"{RIVALS[rival]} {results.speed_up(row.name, workers, rival):.3f}"
                             for rival in rivals)
            share, verdict = results.judge(row, workers, bar)
            if verdict is None and {"ringo", "threads"} <= set(rivals):
                verdict = "cannot be told, other work had the CPUs"
            print(f"{row.name}: speed-up of {workers} workers over one: {each}; "
                  f"ringo/threads {ratio(share)}, bar ≥ {bar.limit}: "
                  f"{verdict or '–'}")


def print_notes(results, missing):
    """What the tables cannot say: where work differs, what is missing, what failed."""
    notes = {}
    for (name, _, rival), cell in results.cells.items():
        text = cell.not_available and "n/a: " + cell.not_available or cell.field("note")
        if text:
            notes.setdefault((rival, text), []).append(WORKLOADS.get(name, name))
    for (rival, text), names in notes.items():
        print(f"* {NAMES[rival]}, {', '.join(dict.fromkeys(names))}: {text}")
    for row in ROWS:
        others = [bar.other for bar in row.bars if bar.other]
        if others and any("miss" in results.verdicts(row, workers) for workers in results.workers):
            print(f"† {row.name} also passes with {others[0]}; not measured here")
    for rival, reason in missing.items():
        print(f"missing: {RIVALS[rival]}: {reason}")
    print_failures(results.failures())


def print_failures(failures):
    """One line for all rows that failed together."""
    names = {}
    for name, workers, rival, failure in failures:
        names.setdefault((rival, workers, failure), []).append(name)
    for (rival, workers, failure), failed in names.items():
        print(f"FAILED: {NAMES[rival]}, {workers_text(workers)}, "
              f"{', '.join(dict.fromkeys(failed))}: {failure}")


def print_verdicts(results):
    verdicts = [verdict for row in ROWS for workers in results.workers for rival in ours(row)
                for verdict in results.verdicts(row, workers, rival)]
    print(f"bars: {verdicts.count('PASS')} passed, {verdicts.count('miss')} missed")


def print_environment(environment):
    print(f"{environment['cpu']}, {environment['cpus']} CPUs, Linux {environment['kernel']}; "
          f"{environment['compiler']} {environment['flags']}; {environment['go'] or 'no Go'}; "
          f"commit {environment['commit'] or 'none'}")
    print("Medians; ± is (max - min) / median over the rounds.\n")
