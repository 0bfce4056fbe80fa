# Short names over CMakePresets.json; CONTRIBUTING.md tells more.
.PHONY: help deps test bench lint
.DEFAULT_GOAL := help

lane = cmake --preset $(1) && cmake --build --preset $(1) && ctest --preset $(1)

help:
	@echo "make test              build and run all tests: optimised, then ASan + UBSan, then TSan"
	@echo "make bench             compare with Go, threads, Boost.Fiber; ONLY=chan narrows, ONLY=scaling sweeps"
	@echo "make lint              formatting, clang-tidy, tests/tidy"
	@echo "make deps              install what is missing (Debian, Ubuntu); the others do this first"
	@echo "cmake --list-presets   single configurations, for cmake --preset and ctest --preset"

deps:
	@tools/deps.sh

test: deps
	$(call lane,check)
	$(call lane,asan)
	$(call lane,tsan)

bench: deps
	cmake --preset release
	cmake --build --preset release --target benchmarks/all
	python3 benchmarks/compare/compare.py --build build/release/benchmarks/compare $(if $(ONLY),--only $(ONLY))

lint: deps
	tools/lint.sh
