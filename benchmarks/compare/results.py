"""Collects the rounds of a run and judges them against the bars."""

import statistics
from collections import defaultdict

from bars import ROWS, is_side_by_side, ours


def ratio_of(row, ours, theirs):
    """Of two rivals' rounds: of their medians, or, where a round measured both side by side, the
    median of the rounds' ratios. None: nothing to compare."""
    if not ours or not theirs:
        return None
    if is_side_by_side(row) and len(ours) == len(theirs):
        return statistics.median(mine / other for mine, other in zip(ours, theirs))
    return statistics.median(ours) / statistics.median(theirs)


class Cell:
    """One rival's rounds of one row at one worker count."""

    def __init__(self):
        self.values = []
        self.fields = []
        self.failure = None
        self.not_available = None

    def add(self, value, fields):
        if value is None:
            self.not_available = fields.get("note", "not available")
        else:
            self.values.append(value)
            self.fields.append(fields)

    def median(self):
        return statistics.median(self.values) if self.values else None

    def spread(self):
        """(max - min) / median: the whole width, since five rounds have no tails to cut."""
        median = self.median()
        return (max(self.values) - min(self.values)) / median if median else None

    def field(self, name):
        return self.fields[-1].get(name) if self.fields else None

    def as_json(self):
        found = {"values": self.values, "median": self.median(), "spread": self.spread(),
                 "n": [int(fields["n"]) for fields in self.fields if "n" in fields],
                 "unit": self.field("unit") or "ns", "note": self.field("note"),
                 "not_available": self.not_available, "failure": self.failure}
        return {key: value for key, value in found.items() if value not in (None, [])}


class Results:
    def __init__(self, workers):
        self.workers = workers
        self.cells = defaultdict(Cell)

    def cell(self, row, workers, rival):
        return self.cells[row, workers, rival]

    def median(self, row, workers, rival):
        return self.cells[row, workers, rival].median() if self.has(row, workers, rival) else None

    def has(self, row, workers, rival):
        return (row, workers, rival) in self.cells

    def failures(self):
        return [(row, workers, rival, cell.failure)
                for (row, workers, rival), cell in self.cells.items() if cell.failure]

    def ratio(self, row, workers, rival, other):
        return ratio_of(row, self.values(row, workers, rival), self.values(row, workers, other))

    def values(self, row, workers, rival):
        return self.cells[row, workers, rival].values if self.has(row, workers, rival) else []

    def speed_up(self, row, workers, rival):
        """How many times faster than with one worker."""
        alone, together = self.median(row, 1, rival), self.median(row, workers, rival)
        return alone / together if alone and together else None

    def speed_up_share(self, row, workers):
        """ringo's speed-up over that of threads; None where threads show that the CPUs were busy
        with something else, so that it would say nothing."""
        ours, theirs = (self.speed_up(row, workers, rival) for rival in ("ringo", "threads"))
        return ours / theirs if ours and theirs and theirs > 0.9 * workers else None

    def judge(self, row, workers, bar, rival="ringo"):
        """(figure, 'PASS' | 'miss' | None) of one of the row's bars; None: it cannot be told."""
        if bar.kind == "speed_up" and workers == 1:
            return None, None
        if bar.kind == "absolute":
            figure = self.median(row.name, workers, rival)
        elif bar.kind == "speed_up":
            figure = self.speed_up_share(row.name, workers)
        else:
            figure = self.ratio(row.name, workers, rival, bar.kind)
        if figure is None or self.cell(row.name, workers, rival).failure:
            return figure, None
        good = figure >= bar.limit if bar.kind == "speed_up" else figure <= bar.limit
        return figure, "PASS" if good else "miss"

    def verdicts(self, row, workers, rival="ringo"):
        """What can be told of the row's bars."""
        found = [self.judge(row, workers, bar, rival)[1] for bar in row.bars]
        return [verdict for verdict in found if verdict]

    def as_json(self):
        rows = []
        for row in ROWS:
            for workers in self.workers:
                rivals = {rival: cell.as_json() for (name, count, rival), cell in self.cells.items()
                          if (name, count) == (row.name, workers)}
                if not rivals:
                    continue
                entry = {"name": row.name, "workers": workers, "rivals": rivals}
                judged = [(rival, bar, *self.judge(row, workers, bar, rival))
                          for rival in ours(row) for bar in row.bars]
                if judged:
                    entry["bars"] = [{"rival": rival, "kind": bar.kind, "limit": bar.limit,
                                      "figure": figure, "verdict": verdict}
                                     for rival, bar, figure, verdict in judged]
                rows.append(entry)
        return rows
