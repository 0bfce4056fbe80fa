"""The workloads, in the order of the table, and the bar that ringo is held to in each."""

from collections import namedtuple

# In the order of the table's columns. Each is the program compare_<name>.
RIVALS = {
    "ringo": "ringo",
    "go": "Go",
    "threads": "threads",
    "boost_fiber": "Boost.Fiber",
}
# Those of the rows of I/O, where ringo has two engines; servers.py tells their programs.
IO_RIVALS = {
    "ringo_io_uring": "ringo io_uring",
    "ringo_epoll": "ringo epoll",
    "go": "Go",
    "threads": "threads",
    "epoll": "epoll by hand",
}
NAMES = RIVALS | IO_RIVALS
ENGINES = ("ringo_io_uring", "ringo_epoll")

# name      the row that the programs print
# bars      that ringo is held to, each of its engines in the rows of I/O
# workload  the name the programs know it by, where one workload prints several rows
# rounds    at most this many; None: as many as asked for
# timeout   seconds for one run of one program
# rivals    that have such a row
Row = namedtuple("Row", "name bars workload rounds timeout rivals",
                 defaults=((), None, None, 60, tuple(RIVALS)))

# kind      go, epoll: ringo's figure over Go's, over that of epoll by hand; absolute: ringo's figure;
#           speed_up: ringo's speed-up from one worker to all over that of plain threads (a floor, all
#           others are ceilings)
# other     a second way to meet the bar, which this suite does not measure
Bar = namedtuple("Bar", "kind limit other", defaults=(None,))

INSTRUCTIONS = "no more instructions than Go (callgrind)"


def go(limit, other=None):
    return (Bar("go", limit, other),)


def epoll(limit):
    return (Bar("epoll", limit),)


def absolute(limit):
    return (Bar("absolute", limit),)


def echo(connections):
    """The server's CPU time for a request, and what the client sees."""
    workload = f"tcp_echo/conns:{connections}"
    bars = {"cpu": go(0.85) + epoll(1.1), "p50": (), "p99": go(1.0), "p99.9": (), "rate": ()}
    return [Row(f"{workload}/{figure}", limits, workload, rivals=tuple(IO_RIVALS))
            for figure, limits in bars.items()]


def http():
    # 1.5 times as many requests in a second of CPU time.
    bars = {"cpu": go(round(1 / 1.5, 3)), "p50": (), "p99": (), "p99.9": (), "rate": ()}
    return [Row(f"http_hello/{figure}", limits, "http_hello", 3, rivals=ENGINES + ("go",))
            for figure, limits in bars.items()]


ROWS = [
    Row("spawn_join", go(0.2)),
    Row("spawn_many", go(0.5)),
    Row("parked_million/spawn", go(0.5), "parked_million", 2, 180),
    Row("parked_million/wake", go(0.7), "parked_million", 2, 180),
    Row("parked_million/bytes", absolute(4900), "parked_million", 2, 180),
    Row("yield", go(0.3)),
    Row("chan_pingpong", go(0.3)),
    Row("chan_stream/cap:0", go(0.4)),
    Row("chan_stream/cap:1", go(0.4)),
    Row("chan_stream/cap:128", go(0.4)),
    Row("chan_mpmc8x8/cap:0", go(0.5)),
    Row("chan_mpmc8x8/cap:128", go(0.5)),
    Row("select_default", go(1.1, INSTRUCTIONS)),
    Row("select_2_parked", go(0.5)),
    Row("select_8_fanin", go(0.5)),
    Row("mutex_uncontended", go(1.1, INSTRUCTIONS)),
    Row("mutex_contended64", go(1.0)),
    # Three rounds where five would make the whole run too long.
    Row("shared_mutex_read", go(1.1, INSTRUCTIONS), rounds=3),
    Row("shared_mutex_mixed8", go(1.0), rounds=3),
    Row("shared_mutex_contended64", go(1.0), rounds=3),
    Row("cond_pingpong", go(1.0), rounds=3),
    Row("cond_broadcast64", go(1.0), rounds=3),
    Row("semaphore_uncontended", go(1.1), rounds=3),
    Row("semaphore_contended64", go(1.0), rounds=3),
    Row("timer_stop", go(0.4)),
    Row("timer_stop/after_func", go(0.4)),
    Row("sleep_100k_1ms", go(0.5), rounds=3),
    Row("ctx_with_cancel", go(0.5)),
    Row("ctx_with_timeout", go(0.5)),
    Row("sieve_1500", go(0.4)),
    Row("skynet_1m", go(0.35)),
    Row("fanout_fib27x256", (Bar("speed_up", 0.97),)),
    # 20 ms.
    Row("hog_p99/compute", absolute(20e6), "hog_p99", 2),
    Row("hog_p99/read", absolute(20e6), "hog_p99", 2),
    Row("idle/cpu", absolute(0.1), "idle", 2),
    # "No periodic wake-up": what is left is the thread that measures, a wake-up or two per second.
    Row("idle/wakeups", absolute(5), "idle", 2),
    *echo(1), *echo(64), *echo(1024), *http(),
    Row("read_4k/cached", rivals=ENGINES + ("go", "threads")),
    Row("read_4k/cold", rivals=ENGINES + ("go", "threads"), rounds=3),
]

# Run beside parked fibers by --scaling: the rows whose work is small and whose time should not grow.
SCALING = [
    "spawn_join",
    "yield",
    "chan_pingpong",
    "chan_stream/cap:0",
    "chan_stream/cap:1",
    "chan_stream/cap:128",
    "chan_mpmc8x8/cap:0",
    "chan_mpmc8x8/cap:128",
    "select_default",
    "select_2_parked",
    "select_8_fanin",
    "mutex_uncontended",
    "mutex_contended64",
    "shared_mutex_read",
    "cond_pingpong",
    "semaphore_uncontended",
    "timer_stop",
    "timer_stop/after_func",
    "ctx_with_cancel",
    "ctx_with_timeout",
]
BYSTANDERS = [1, 1_000, 1_000_000]
# The others cannot hold a million.
SCALING_RIVALS = ["ringo", "go"]


def workload_of(row):
    return row.workload or row.name


def is_io(row):
    return "ringo" not in row.rivals


def is_side_by_side(name):
    """A round measures all rivals of the row at once, in turns."""
    return name.startswith("tcp_echo/")


def ours(row):
    """The rivals that are held to the row's bars."""
    return [rival for rival in row.rivals if rival.startswith("ringo")]
