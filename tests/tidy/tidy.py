"""The rules of docs/conventions.md that no compiler checks. Prints each breach; exit status 1: some."""
import re
import sys
from pathlib import Path

MAX_LINES = 500
SOURCE_DIRECTORIES = ("include", "lib", "tests", "examples", "benchmarks")
THREAD_LOCAL_HOME = "lib/sched/current.cpp"
FENCE_HOMES = ("lib/base/fence.hpp", "include/ringo/detail/fence.hpp")
REAL_TIME_HOMES = ("tests/time/real_time_test.cpp",)  # what only real time can prove

WEAK_ORDER = re.compile(r"memory_order(?:_|::)(?:relaxed|acquire|release|acq_rel|consume)")
ORDER_NOTE = re.compile(r"//.*(?:pairs with|relaxed:) *\S")
ORDER_NOTE_REACH = 3
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
REAL_TIME = re.compile(r"(?<![.>\w])(?:\w+::)*(?:sleep_for|sleep_until|u?sleep|nanosleep)\s*\(")
# In a file that has virtual time ringo's own sleeps are taken to be virtual.
VIRTUAL_TIME = re.compile(r'#include [<"](?:ringo/testing(?:/\w+)?|support/virtual_time)\.hpp[>"]')
VIRTUAL_SLEEP = re.compile(r"(?<![.>\w])ringo::sleep_(?:for|until)\s*\(")
REAL_TIME_REASON = re.compile(r"// tidy: real time\W+\w")
COMMENT_OR_STRING = re.compile(
    r"""//[^\n]*|/\*.*?\*/|'\\?[^\n]'|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*\"""",
    re.DOTALL)


def code_of(text):
    """The text without comments and without what strings hold; lines keep their numbers. Includes stay."""
    def blank(match):
        found = match[0]
        if found.startswith('"') and text[:match.start()].rpartition("\n")[2].lstrip().startswith("#"):
            return found
        return ("" if found.startswith("/") else '""') + "\n" * found.count("\n")
    return COMMENT_OR_STRING.sub(blank, text).split("\n")


class Layers:
    def __init__(self, text):
        self.rank, self.home, self.free = {}, {}, set()
        for rank, line in enumerate(text.splitlines()):
            if not line.strip() or line.startswith("#"):
                continue
            names, _, headers = line.partition(":")
            names = [name.strip() for name in names.split(",")]
            for name in names:
                self.rank.setdefault(name, rank)
            if "*" in names:
                self.free.update(names)
            for header in headers.split():
                self.home[header] = header if header in names else names[0]

    def of(self, relative):
        """The layer of a path like lib/chan/x.cpp or include/ringo/detail/park.hpp; None: it has none."""
        parts = relative.parts
        inner = parts[2:] if parts[:2] == ("include", "ringo") else parts[1:]
        if len(inner) > 1 and inner[0] != "detail":
            return inner[0] if inner[0] in self.rank else None
        return self.home.get(Path(*inner).with_suffix("").as_posix())

    def allows(self, includer, included):
        return includer in self.free or includer == included or self.rank[included] < self.rank[includer]


class Tidy:
    def __init__(self, root):
        self.root = root
        self.layers = Layers((root / "tests/tidy/layers.txt").read_text())
        self.breaches = []

    def report(self, relative, number, message):
        self.breaches.append(f"{relative.as_posix()}:{number}: {message}")

    def run(self):
        files = sorted(path for directory in SOURCE_DIRECTORIES for path in (self.root / directory).rglob("*")
                       if path.suffix in (".cpp", ".hpp", ".py") and path.is_file())
        for path in files:
            relative = path.relative_to(self.root)
            text = path.read_text()
            raw = text.splitlines()
            if len(raw) > MAX_LINES:
                self.report(relative, 1, f"{len(raw)} lines, at most {MAX_LINES}")
            if path.suffix != ".py":
                self.check_lines(relative, raw, code_of(text))
                if relative.parts[0] in ("include", "lib"):
                    self.check_layer(relative, code_of(text))
        self.check_tests_exist()
        return self.breaches

    def check_lines(self, relative, raw, code):
        name = relative.as_posix()
        virtual = any(map(VIRTUAL_TIME.match, raw))
        for number, (line, bare) in enumerate(zip(raw, code), 1):
            def breach(message):
                self.report(relative, number, message)
            nearby = raw[max(0, number - 1 - ORDER_NOTE_REACH):number]
            if WEAK_ORDER.search(bare) and not any(map(ORDER_NOTE.search, nearby)):
                breach("a weak memory order names its pair ('pairs with <function>' or 'relaxed: <why>')")
            if re.search(r"\bthread_local\b", bare) and name != THREAD_LOCAL_HOME:
                breach(f"thread_local lives in {THREAD_LOCAL_HOME} only")
            if "atomic_thread_fence" in bare and name not in FENCE_HOMES:
                breach("a fence is made by full_fence() only")
            if "source_location" in bare:
                breach("std::source_location fails on clang 14: __builtin_FILE() and __builtin_LINE()")
            if relative.suffix == ".hpp" and re.search(r"\busing\s+namespace\b", bare):
                breach("no `using namespace` in a header")
            if "TODO(now)" in line:
                breach("TODO(now) may not be merged")
            if "\t" in line:
                breach("a tab")
            timed = VIRTUAL_SLEEP.sub("", bare) if virtual else bare
            if (relative.parts[0] == "tests" and name not in REAL_TIME_HOMES and REAL_TIME.search(timed)
                    and not REAL_TIME_REASON.search(line)):
                breach("wait for an event, not for time (or say `// tidy: real time: <reason>`)")

    def check_layer(self, relative, code):
        layer = self.layers.of(relative)
        if layer is None:
            self.report(relative, 1, "has no layer: add it to tests/tidy/layers.txt")
            return
        for number, line in enumerate(code, 1):
            include = INCLUDE.match(line)
            target = include and self.included_file(relative, include[1], include[2])
            included = target and self.layers.of(target)
            if included and not self.layers.allows(layer, included):
                self.report(relative, number, f"layer {layer} may not include {included}")

    def included_file(self, relative, quote, name):
        """The file of ours that an include means, or None."""
        if name.startswith("ringo/"):
            return Path("include") / name
        if quote == '"':
            for candidate in (relative.parent / name, Path("lib") / name):
                if (self.root / candidate).is_file():
                    return (self.root / candidate).resolve().relative_to(self.root.resolve())
        return None

    def check_tests_exist(self):
        tested = {path.stem for path in (self.root / "tests").rglob("*_test.cpp")}
        for path in sorted((self.root / "include").rglob("*.hpp")):
            relative = path.relative_to(self.root)
            declares = any(line.strip() and not line.lstrip().startswith("#")
                           for line in code_of(path.read_text()))
            if "detail" not in relative.parts and declares and path.stem + "_test" not in tested:
                self.report(relative, 1, f"no test: tests/**/{path.stem}_test.cpp")


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    breaches = Tidy(root).run()
    print("\n".join(breaches + [f"tidy: {len(breaches)} breaches"]))
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
