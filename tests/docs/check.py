"""Checks the pages: each block of C++ or Go equals the built file it names, and each link leads somewhere.
And the headers: each `@snippet <file> <name>` names a region of a built file.

A block is named by a comment in front of it:

    <!-- from: examples/hello.cpp -->        consecutive lines of that file
    <!-- from: tests/docs/x_test.cpp#name -->   its region from `// [name]` to `// [name]`
    <!-- from: tests/docs/from_go/x_test.go#name -->   the same; its tabs are four spaces in the page

The marks of a region may also be `//! [name]`; those of a @snippet must be.

Indentation common to all lines does not count. Prints each breach; exit status 1: some.
"""
import re
import sys
import textwrap
from pathlib import Path

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.md")
BUILT = ("examples", "tests", "benchmarks")  # only what some target compiles
SUFFIXES = {"cpp": (".cpp", ".hpp"), "go": (".go",)}  # blocks in these languages must be compiled

FENCE = re.compile(r"\s*```(\w*)")
FROM = re.compile(r"<!-- from: ([^\s#]+)(?:#(\S+))? -->\s*$")
LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]*\bsrc=\"([^\"]+)\"")
SNIPPET = re.compile(r"\s*/// @snippet (\S+) (\S+)$")
CODE = re.compile(r"`[^`]*`")
HEADING = re.compile(r"#+ +(.*)")


def dedent(lines):
    return textwrap.dedent("\n".join(lines)).strip("\n").split("\n")


def anchor_of(heading):
    """As GitHub makes it."""
    text = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return text.replace(" ", "-")


class Pages:
    def __init__(self, root):
        self.root = root
        self.breaches = []
        self.blocks = 0

    def run(self):
        pages = sorted({path for pattern in PAGES for path in self.root.glob(pattern)})
        for page in pages:
            self.check_page(page)
        for header in sorted(self.root.glob("include/**/*.hpp")):
            self.check_snippets(header)
        return self.breaches

    def report(self, page, number, message):
        self.breaches.append(f"{page.relative_to(self.root).as_posix()}:{number}: {message}")

    def check_page(self, page):
        lines = page.read_text().splitlines()
        block, start, source = None, 0, None
        for number, line in enumerate(lines, 1):
            fence = FENCE.match(line)
            if block is not None and not (fence and not fence[1]):
                block.append(line)
            elif block is not None:
                if language in SUFFIXES or source:
                    self.check_block(page, start, language, dedent(block), source)
                block = None
            elif fence:
                block, start, language = [], number, fence[1]
                before = next((text for text in reversed(lines[:number - 1]) if text.strip()), "")
                source = FROM.match(before)
            else:
                self.check_links(page, number, line)
        if block is not None:
            self.report(page, start, "a block without an end")

    def check_snippets(self, header):
        for number, line in enumerate(header.read_text().splitlines(), 1):
            if "@snippet" not in line:
                continue
            snippet = SNIPPET.match(line)
            if not snippet:
                self.report(header, number, "not of the form `/// @snippet <file> <name>`")
            elif not self.is_built(snippet[1]):
                self.report(header, number, f"{snippet[1]} is no built file")
            elif len(self.marks(snippet[1], snippet[2], ("//!",))) != 2:
                self.report(header, number, f"{snippet[1]} has no region //! [{snippet[2]}]")

    def is_built(self, name):
        path = self.root / name
        in_module = path.suffix != ".go" or (path.parent / "go.mod").is_file()
        return Path(name).parts[0] in BUILT and path.is_file() and in_module

    def lines(self, name):
        text = (self.root / name).read_text()
        return (text.expandtabs(4) if name.endswith(".go") else text).splitlines()

    def marks(self, name, region, kinds=("//", "//!")):
        wanted = [f"{kind} [{region}]" for kind in kinds]
        return [i for i, line in enumerate(self.lines(name)) if line.strip() in wanted]

    def check_block(self, page, number, language, block, source):
        self.blocks += 1
        if source is None:
            return self.report(page, number, "code that is compiled nowhere: `<!-- from: file -->` is missing")
        name, region = source[1], source[2]
        if not self.is_built(name):
            return self.report(page, number, f"{name} is no built file")
        if not name.endswith(SUFFIXES.get(language, "")):
            return self.report(page, number, f"{name} is not written in {language}")
        lines = self.lines(name)
        if region is None:
            found = any(dedent(lines[i:i + len(block)]) == block for i in range(len(lines)))
            return None if found else self.report(page, number, f"these lines are not in {name}")
        marks = self.marks(name, region)
        if len(marks) != 2:
            return self.report(page, number, f"{name} has {len(marks)} marks [{region}] instead of two")
        if dedent(lines[marks[0] + 1:marks[1]]) != block:
            return self.report(page, number, f"differs from [{region}] in {name}")

    def check_links(self, page, number, line):
        for match in LINK.finditer(CODE.sub("", line)):
            target = match[1] or match[2]
            if re.match(r"\w+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            if not path.exists():
                self.report(page, number, f"no such file: {target}")
            elif anchor and path.suffix == ".md" and anchor not in self.anchors(path):
                self.report(page, number, f"no such heading: {target}")

    @staticmethod
    def anchors(path):
        headings = map(HEADING.match, path.read_text().splitlines())
        return {anchor_of(heading[1]) for heading in headings if heading}


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    pages = Pages(root)
    breaches = pages.run()
    print("\n".join(breaches + [f"docs: {pages.blocks} blocks of code, {len(breaches)} breaches"]))
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
