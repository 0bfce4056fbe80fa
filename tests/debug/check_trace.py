#!/usr/bin/env python3
"""Whether a trace is what its format asks for: valid JSON, slices of a track that nest, arrows with
both ends. Prints what it has found."""

import json
import sys


def check_nesting(tid, slices):
    """Each slice lies within the one that is open when it begins, or behind it."""
    slack = 0.002  # microseconds: times are written as whole nanoseconds
    slices.sort(key=lambda s: (s["ts"], -s["dur"]))
    open_until = []
    for s in slices:
        end = s["ts"] + s["dur"]
        while open_until and open_until[-1] <= s["ts"] + slack:
            open_until.pop()
        if open_until and end > open_until[-1] + slack:
            raise SystemExit(f"track {tid}: {s} ends after the slice around it, at {open_until[-1]}")
        open_until.append(end)


def check_arrows(events, slices):
    starts = {}
    ends = {}
    for e in events:
        if e["ph"] in "sf":
            side = starts if e["ph"] == "s" else ends
            if e["id"] in side:
                raise SystemExit(f"arrow {e['id']} has two of {e['ph']}")
            side[e["id"]] = e
    if starts.keys() != ends.keys():
        raise SystemExit(f"arrows with one end: {starts.keys() ^ ends.keys()}")
    begins = {(s["tid"], s["ts"]) for s in slices if "fiber" in s.get("args", {})}
    for key, end in ends.items():
        if starts[key]["ts"] > end["ts"]:
            raise SystemExit(f"arrow {key} leads back in time")
        if (end["tid"], end["ts"]) not in begins:
            raise SystemExit(f"arrow {key} does not lead to the start of a run: {end}")
    return len(starts)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        events = json.load(file)
    slices = [e for e in events if e["ph"] == "X"]
    for e in events:
        if e["ph"] not in "XsfiM":
            raise SystemExit(f"unknown phase: {e}")
        if e["ph"] != "M" and (e["ts"] < 0 or e["tid"] < 1):
            raise SystemExit(f"no time or no track: {e}")
        if e["ph"] == "X" and e["dur"] < 0:
            raise SystemExit(f"takes less than no time: {e}")
    for tid in {s["tid"] for s in slices}:
        check_nesting(tid, [s for s in slices if s["tid"] == tid])
    named = {e["tid"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    if named != {e["tid"] for e in events if "tid" in e}:
        raise SystemExit("a track without a name")
    arrows = check_arrows(events, slices)
    (summary,) = [e for e in events if e["name"] == "ringo_trace"]
    runs = [s for s in slices if "fiber" in s.get("args", {})]
    lost = sum(s["args"]["count"] for s in slices if s["name"] == "events lost")
    if lost != summary["args"]["events_lost"]:
        raise SystemExit(f"{lost} events are shown as lost, of {summary}")
    print(f"runs {len(runs)} arrows {arrows} lost {lost} tracks {len(named)}")
    for what in sys.argv[2:]:
        if not any(what in (s["name"], s.get("args", {}).get("then")) for s in slices):
            raise SystemExit(f"no slice says: {what}")


if __name__ == "__main__":
    main()
