"""Prints results as tables of plain text."""

from bars import RIVALS, ROWS


def figure(value, unit=None):
    """Three digits and a unit; times are nanoseconds unless they say otherwise."""
    if value is None:
        return "–"
    if unit == "bytes":
        return f"{value:.0f} B"
    if unit == "%":
        return f"{value:.3f} %"
    if unit:
        return f"{value:.1f} {unit}"
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
    if row.bar is None:
        return ""
    if row.bar.kind == "go":
        return f"≤ {row.bar.limit} Go"
    if row.bar.kind == "speed_up":
        return f"≥ {row.bar.limit} threads' speed-up"
    unit = {"parked_million/bytes": "bytes", "idle/cpu": "%", "idle/wakeups": "1/s"}.get(row.name)
    return "≤ " + figure(row.bar.limit, unit)


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


def workers_text(workers):
    return "1 worker" if workers == 1 else f"{workers} workers"


def print_table(results, workers, missing):
    rows = [row for row in ROWS if any(name == row.name and count == workers
                                       for name, count, _ in results.cells)]
    header = ["workload, " + workers_text(workers)] + list(RIVALS.values())
    header += ["ringo/Go", "ringo/threads", "±ringo", "±Go", "bar", ""]
    lines = []
    for row in rows:
        _, verdict = results.verdict(row, workers)
        mark = verdict or ""
        if verdict == "miss" and row.bar.other:
            mark = "miss†"
        spreads = [percent(results.cell(row.name, workers, rival).spread())
                   if results.has(row.name, workers, rival) else "–" for rival in ("ringo", "go")]
        lines.append([row.name] +
                     [cell_text(results, row, workers, rival, missing) for rival in RIVALS] +
                     [ratio(results.ratio(row.name, workers, "ringo", other))
                      for other in ("go", "threads")] + spreads + [bar_text(row), mark])
    print(text_table(header, lines))
    print()


def print_speed_up(results, missing):
    for row in ROWS:
        if not row.bar or row.bar.kind != "speed_up":
            continue
        for workers in results.workers:
            rivals = [rival for rival in RIVALS if workers > 1 and rival not in missing
                      and results.speed_up(row.name, workers, rival)]
            if not rivals:
                continue
            each = ", ".join(f"{RIVALS[rival]} {results.speed_up(row.name, workers, rival):.3f}"
                             for rival in rivals)
            share, verdict = results.verdict(row, workers)
            if verdict is None and {"ringo", "threads"} <= set(rivals):
                verdict = "cannot be told, other work had the CPUs"
            print(f"{row.name}: speed-up of {workers} workers over one: {each}; "
                  f"ringo/threads {ratio(share)}, bar ≥ {row.bar.limit}: "
                  f"{verdict or '–'}")


def print_notes(results, missing):
    """What the tables cannot say: where work differs, what is missing, what failed."""
    notes = {}
    for (name, _, rival), cell in results.cells.items():
        text = cell.not_available and "n/a: " + cell.not_available or cell.field("note")
        if text:
            notes.setdefault((rival, text), []).append(name)
    for (rival, text), names in notes.items():
        print(f"* {RIVALS[rival]}, {', '.join(dict.fromkeys(names))}: {text}")
    for row in ROWS:
        if row.bar and row.bar.other and any(results.verdict(row, workers)[1] == "miss"
                                             for workers in results.workers):
            print(f"† {row.name} also passes with {row.bar.other}; not measured here")
    for rival, reason in missing.items():
        print(f"missing: {RIVALS[rival]}: {reason}")
    print_failures(results.failures())


def print_failures(failures):
    """One line for all rows that failed together."""
    names = {}
    for name, workers, rival, failure in failures:
        names.setdefault((rival, workers, failure), []).append(name)
    for (rival, workers, failure), failed in names.items():
        print(f"FAILED: {RIVALS[rival]}, {workers_text(workers)}, "
              f"{', '.join(dict.fromkeys(failed))}: {failure}")


def print_verdicts(results):
    verdicts = [results.verdict(row, workers)[1] for row in ROWS for workers in results.workers]
    print(f"bars: {verdicts.count('PASS')} passed, {verdicts.count('miss')} missed")


def print_environment(environment):
    print(f"{environment['cpu']}, {environment['cpus']} CPUs, Linux {environment['kernel']}; "
          f"{environment['compiler']} {environment['flags']}; {environment['go'] or 'no Go'}; "
          f"commit {environment['commit'] or 'none'}")
    print("Medians; ± is (max - min) / median over the rounds.\n")
