"""Judges made-up rounds of the benchmark suite by its bars."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "compare"))
sys.dont_write_bytecode = True
import bars  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
from results import Cell, Results  # noqa: E402

ECHO = "tcp_echo/conns:64/cpu"  # at most 0.85 of Go, and 1.1 of epoll by hand


def row(name):
    return next(row for row in bars.ROWS if row.name == name)


def results(name, workers=(1,), **medians):
    """Three rounds around each rival's median."""
    made = Results(list(workers))
    for rival, median in medians.items():
        for factor in (0.5, 1.5, 1):
            made.cell(name, 1, rival).add(median * factor, {"n": "10"})
    return made


class Bars(unittest.TestCase):
    def test_rows_of_programs(self):
        rows = programs.rows_of(["a/cpu\t1.5e3\tn=3\tunit=1/s", "b\tn/a\tnote=x=y"])
        self.assertEqual(rows, {"a/cpu": (1500.0, {"n": "3", "unit": "1/s"}), "b": (None, {"note": "x=y"})})
        for line in ("a", "a\tb", "a\t1\tfield"):
            with self.assertRaises(programs.Failure):
                programs.rows_of([line])

    def test_median_and_spread(self):
        cell = Cell()
        self.assertIsNone(cell.median())
        self.assertIsNone(cell.spread())
        for value in (9, 1, 2, 4):
            cell.add(value, {})
        self.assertEqual((cell.median(), cell.spread()), (3, 8 / 3))

    def test_each_engine_is_held_to_each_bar(self):
        found = results(ECHO, ringo_io_uring=84, ringo_epoll=86, go=100, epoll=78)
        self.assertEqual(found.verdicts(row(ECHO), 1, "ringo_io_uring"), ["PASS", "PASS"])
        self.assertEqual(found.verdicts(row(ECHO), 1, "ringo_epoll"), ["miss", "miss"])
        self.assertEqual(report.mark_text(found, row(ECHO), 1, "ringo_io_uring"), "PASS")
        self.assertEqual(report.mark_text(found, row(ECHO), 1, "ringo_epoll"), "miss")

    def test_one_missed_bar_is_a_miss(self):
        found = results(ECHO, ringo_io_uring=84, go=100, epoll=50)
        self.assertEqual(found.verdicts(row(ECHO), 1, "ringo_io_uring"), ["PASS", "miss"])
        self.assertEqual(report.mark_text(found, row(ECHO), 1, "ringo_io_uring"), "miss")

    def test_without_the_other_nothing_can_be_told(self):
        found = results(ECHO, ringo_io_uring=84)
        self.assertEqual(found.verdicts(row(ECHO), 1, "ringo_io_uring"), [])
        self.assertEqual(report.mark_text(found, row(ECHO), 1, "ringo_io_uring"), "")

    def test_what_failed_does_not_pass(self):
        found = results(ECHO, ringo_io_uring=84, go=100, epoll=80)
        found.cell(ECHO, 1, "ringo_io_uring").failure = "no end after 60 s"
        self.assertEqual(found.verdicts(row(ECHO), 1, "ringo_io_uring"), [])

    def test_json_names_who_was_judged(self):
        found = results(ECHO, ringo_io_uring=84, ringo_epoll=86, go=100, epoll=78)
        judged = found.as_json()[0]["bars"]
        self.assertEqual([(each["rival"], each["kind"], each["verdict"]) for each in judged],
                         [("ringo_io_uring", "go", "PASS"), ("ringo_io_uring", "epoll", "PASS"),
                          ("ringo_epoll", "go", "miss"), ("ringo_epoll", "epoll", "miss")])

    def test_rows_without_io_have_one_ringo(self):
        found = results("yield", ringo=31, go=100)
        self.assertEqual(found.verdicts(row("yield"), 1), ["miss"])
        self.assertEqual([each["rival"] for each in found.as_json()[0]["bars"]], ["ringo"])

    def test_every_io_row_is_in_both_tables_of_names(self):
        for each in filter(bars.is_io, bars.ROWS):
            self.assertEqual(bars.ours(each), list(bars.ENGINES))
            self.assertLessEqual(set(each.rivals), set(bars.IO_RIVALS))


if __name__ == "__main__":
    unittest.main()
