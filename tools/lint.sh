#!/usr/bin/env bash
# Formatting, the rules of tests/tidy, and clang-tidy over everything the clang preset compiles.
set -euo pipefail
cd "$(dirname "$0")/.."
tool() { command -v "$1-14" || command -v "$1"; }

git ls-files -z --cached --others --exclude-standard '*.cpp' '*.hpp' |
  xargs -0 -r "$(tool clang-format)" --dry-run -Werror
python3 tests/tidy/tidy.py
cmake --preset clang >/dev/null
"$(tool run-clang-tidy)" -quiet -p build/clang "$PWD/(lib|tests|examples|benchmarks)/.*"
