"""Plants one fault at a time in a small clean tree: check.py must report exactly that one."""
import tempfile
import unittest
from pathlib import Path

from check import Pages

CLEAN = {
    "examples/hello.cpp": "int main() {\n  int x = 1;\n  // [use]\n  return x;\n  // [use]\n}\n",
    "lib/a.cpp": "int a;\n",
    "tests/go/go.mod": "module x\n",
    "tests/go/a_test.go": "func f() {\n\tif true {\n\t\t// [go]\n\t\tif g() {\n\t\t\th()\n\t\t}\n\t\t// [go]\n\t}\n}\n",
    "tests/loose/a.go": "func f() {}\n",
    "tests/a_test.cpp": "//! [both]\nint y;\n//! [both]\n",
    "include/ringo/a.hpp": "/// @snippet tests/a_test.cpp both\n",
    "README.md": "# A title\n<!-- from: examples/hello.cpp -->\n```cpp\nint x = 1;\n```\n"
                 "[other](docs/other.md#second-one) [here](#a-title) `[no](link)`\n```sh\n[no](link)\n```\n",
    "docs/other.md": "## Second: one\n<!-- from: examples/hello.cpp#use -->\n\n```cpp\nreturn x;\n```\n"
                     "[web](https://example.org/x)\n",
}
# (page, its new text, what the report must say; None: nothing)
FAULTS = [
    ("docs/a.md", "```cpp\nint x = 1;\n```\n", "compiled nowhere"),
    ("docs/a.md", "<!-- from: examples/hello.cpp -->\n```cpp\nint x = 2;\n```\n", "not in examples/hello.cpp"),
    ("docs/a.md", "<!-- from: examples/hello.cpp#use -->\n```cpp\nreturn y;\n```\n", "differs from [use]"),
    ("docs/a.md", "<!-- from: examples/hello.cpp#none -->\n```cpp\nreturn x;\n```\n", "0 marks"),
    ("docs/a.md", "<!-- from: examples/gone.cpp -->\n```cpp\nint x;\n```\n", "no built file"),
    ("docs/a.md", "<!-- from: lib/a.cpp -->\n```cpp\nint a;\n```\n", "no built file"),
    ("docs/a.md", "<!-- from: examples/hello.cpp -->\n```text\nnothing\n```\n", "not in examples"),
    ("docs/a.md", "```sh\nmake\n", "without an end"),
    ("docs/a.md", "<!-- from: tests/go/a_test.go#go -->\n```go\nif g() {\n    h()\n}\n```\n", None),
    ("docs/a.md", "<!-- from: tests/go/a_test.go#go -->\n```go\nif g() {\n    i()\n}\n```\n", "differs from [go]"),
    ("docs/a.md", "<!-- from: tests/go/a_test.go -->\n```go\nh()\n```\n", None),
    ("docs/a.md", "<!-- from: tests/go/a_test.go -->\n```cpp\nh()\n```\n", "not written in cpp"),
    ("docs/a.md", "<!-- from: examples/hello.cpp#use -->\n```go\nreturn x;\n```\n", "not written in go"),
    ("docs/a.md", "<!-- from: tests/loose/a.go -->\n```go\nfunc f() {}\n```\n", "no built file"),
    ("docs/a.md", "```go\nh()\n```\n", "compiled nowhere"),
    ("docs/a.md", "<!-- from: tests/a_test.cpp#both -->\n```cpp\nint y;\n```\n", None),
    ("include/ringo/b.hpp", "  /// @snippet tests/a_test.cpp none\n", "no region //! [none]"),
    ("include/ringo/b.hpp", "/// @snippet examples/hello.cpp use\n", "no region //! [use]"),
    ("include/ringo/b.hpp", "/// @snippet tests/gone_test.cpp both\n", "no built file"),
    ("include/ringo/b.hpp", "/// @snippet lib/a.cpp both\n", "no built file"),
    ("include/ringo/b.hpp", "// @snippet tests/a_test.cpp\n", "not of the form"),
    ("docs/a.md", "[x](other.md)\n", None),
    ("docs/a.md", "[x](gone.md)\n", "no such file"),
    ("docs/a.md", "![x](chart.svg)\n", "no such file"),
    ("docs/a.md", "[x](other.md#third)\n", "no such heading"),
]


class CheckTest(unittest.TestCase):
    def breaches(self, changes):
        with tempfile.TemporaryDirectory() as top:
            root = Path(top).resolve()
            for name, text in {**CLEAN, **changes}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return Pages(root).run()

    def test_a_clean_tree(self):
        self.assertEqual(self.breaches({}), [])

    def test_faults(self):
        for page, text, message in FAULTS:
            with self.subTest(text=text):
                found = self.breaches({page: text})
                self.assertEqual(len(found), 0 if message is None else 1, found)
                self.assertTrue(message is None or message in found[0], found)


if __name__ == "__main__":
    unittest.main()
