"""Plants one fault at a time in a small clean tree: tidy.py must report exactly that one."""
import tempfile
import unittest
from pathlib import Path

from tidy import Tidy

CLEAN = {
    "tests/tidy/layers.txt": "base: error\nsched: go detail/park\nchan: chan\n"
                             "net, os: net\ndebug, *: ringo\n",
    "include/ringo/chan.hpp": "#pragma once\n#include <ringo/detail/park.hpp>\nclass chan;\n",
    "include/ringo/ringo.hpp": "#pragma once\n// Umbrella.\n"
                               "#include <ringo/chan.hpp>\n#include <ringo/net.hpp>\n",
    "include/ringo/net.hpp": "#pragma once\n#include <ringo/net/tcp.hpp>\n",
    "include/ringo/net/tcp.hpp": "#pragma once\n#include <ringo/chan.hpp>\nclass tcp;\n",
    "include/ringo/detail/park.hpp": "#pragma once\nvoid park();\n",
    "lib/chan/chan.cpp": '#include "ringo/chan.hpp"\n#include "sched/worker.hpp"\n'
                         '// thread_local, TODO and using namespace in a comment are fine.\n'
                         'auto text = "thread_local \\" atomic_thread_fence";\n',
    "lib/sched/worker.hpp": "// relaxed: only a statistic\n\n\nx.load(std::memory_order_relaxed);\n"
                            "y.load(std::memory_order_acquire);  // pairs with stop\n",
    "lib/sched/current.cpp": "thread_local int here;\n",
    "tests/chan/chan_test.cpp": "sleep_for(1ms);  // tidy: real time: the kernel's own timer is tested\n",
    "tests/chan/close_test.cpp": "#include \"support/virtual_time.hpp\"\nringo::sleep_for(1h);\n",
    "tests/net/tcp_test.cpp": "using namespace std;\n",
}
# (file, its new text, what the report must say); text None: the file goes away.
FAULTS = [
    ("lib/sched/park.cpp", "#include <ringo/chan.hpp>\n", "layer sched may not include chan"),
    ("lib/sched/park.cpp", '#include "chan/queue.hpp"\n', None),  # not a file of ours
    ("lib/chan/queue.cpp", '#include "../net/poll.hpp"\n', "layer chan may not include net"),
    ("lib/os/signal.cpp", "#include <ringo/net/tcp.hpp>\n", "layer os may not include net"),
    ("lib/debug/dump.cpp", "#include <ringo/net/tcp.hpp>\n", None),
    ("lib/utils/text.cpp", "int x;\n", "has no layer"),
    ("include/ringo/detail/new.hpp", "int x;\n", "has no layer"),
    ("include/ringo/error.hpp", "class error;\n", "no test"),
    ("lib/base/long.cpp", "\n" * 501, "501 lines"),
    ("lib/base/limit.cpp", "\n" * 500, None),
    ("lib/base/a.cpp", "x.load(std::memory_order::acquire);\n", "weak memory order"),
    ("lib/base/a.cpp", "// pairs with b\n\n\n\nx.load(std::memory_order_acquire);\n", "weak memory order"),
    ("lib/base/a.cpp", "x.load(std::memory_order_acquire);  // pairs with\n", "weak memory order"),
    ("lib/base/a.cpp", "x.load(std::memory_order_seq_cst);\n", None),
    ("lib/base/a.cpp", "static thread_local int x;\n", "thread_local lives in"),
    ("lib/base/a.cpp", "/* thread_local\n thread_local */ int x;\n", None),
    ("lib/base/a.cpp", "char quote = '\"'; thread_local int y; char other = '\\\"';\n", "thread_local"),
    ("lib/base/a.cpp", 'auto x = R"(thread_local " // )"; thread_local int y;\n', "thread_local lives in"),
    ("lib/base/a.cpp", "std::atomic_thread_fence(std::memory_order_seq_cst);\n", "full_fence"),
    ("lib/base/fence.hpp", "std::atomic_thread_fence(std::memory_order_seq_cst);\n", None),
    ("lib/base/a.hpp", "using  namespace std;\n", "using namespace"),
    ("lib/base/a.cpp", "// TODO(now): finish\n", "TODO(now)"),
    ("lib/base/a.cpp", "\tint x;\n", "a tab"),
    ("lib/base/a.cpp", "std::source_location here;\n", "source_location"),
    ("tests/chan/b_test.cpp", "std::this_thread::sleep_for(1ms);\n", "wait for an event"),
    ("tests/chan/b_test.cpp", "#include <ringo/testing/bubble.hpp>\nstd::this_thread::sleep_for(1ms);\n",
     "wait for an event"),
    ("tests/chan/b_test.cpp", "usleep(5);  // tidy: real time\n", "wait for an event"),
    ("tests/time/real_time_test.cpp", "ringo::sleep_for(1ms);\n", None),
    ("tests/time/timer_test.cpp", "ringo::sleep_for(1ms);\n", "wait for an event"),
    ("tests/net/tcp_test.cpp", None, "no test"),
]


class TidyTest(unittest.TestCase):
    def breaches(self, changes):
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            for name, text in {**CLEAN, "lib/net/poll.hpp": "", **changes}.items():
                if text is not None:
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_text(text)
            return Tidy(root).run()

    def test_clean_tree(self):
        self.assertEqual(self.breaches({}), [])

    def test_planted_faults(self):
        for name, text, expected in FAULTS:
            with self.subTest(name=name, text=text and text[:60]):
                breaches = self.breaches({name: text})
                if expected is None:
                    self.assertEqual(breaches, [])
                else:
                    self.assertEqual(len(breaches), 1, breaches)
                    self.assertIn(expected, breaches[0])


if __name__ == "__main__":
    unittest.main()
