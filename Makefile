# Short names over CMakePresets.json; CONTRIBUTING.md tells more.
.PHONY: help deps test bench lint
.DEFAULT_GOAL := help

lane = cmake --preset $(1) && cmake --build --preset $(1) $(if $(2),--target $(2)) && ctest --preset $(1) $(if $(3),-R $(3)) -E $(unproven)

# TODO(soon): the other folders of tests/ join the sanitizer lanes once their child programs, which end by a signal or
# leave fibers behind on purpose, are told apart from findings.
# sched.fairness: a test of its closes a channel under another fiber. chan_deadlock in the sanitizer lanes: its
# programs are not built there.
unproven = 'sched\.fairness$(if $(2),|chan_deadlock)'

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
	$(call lane,asan,chan_tests,'^chan\.')
	$(call lane,tsan,chan_tests time_tests,'^(chan|time)\.')

bench: deps
	cmake --preset release
	cmake --build --preset release --target benchmarks/all
	python3 benchmarks/compare/compare.py --build build/release/benchmarks/compare $(if $(ONLY),--only $(ONLY))

lint: deps
	tools/lint.sh
