#pragma once

// How large the tests are: one table, a column for each kind of build. Plain numbers are Go's where
// a run stays short with them; sanitizers get what keeps the whole suite within a minute or two.

#include <chrono>
#include <cstddef>

#include <ringo/detail/config.hpp>

namespace ringo::test::sizes {

template <class T>
constexpr T pick([[maybe_unused]] T plain, [[maybe_unused]] T asan, [[maybe_unused]] T tsan) {
#if RINGO_TSAN
  return tsan;
#elif RINGO_ASAN
  return asan;
#else
  return plain;
#endif
}

using count = std::size_t;
using std::chrono::milliseconds;

// Bounds that only a broken build meets.           plain      asan       tsan
inline constexpr auto patience =
    pick<milliseconds>(milliseconds(20'000), milliseconds(60'000), milliseconds(60'000));
inline constexpr unsigned test_case_seconds_max = pick<unsigned>(60, 180, 240);

// clang-format off
// Yields that give every other fiber a chance.     plain      asan       tsan
inline constexpr count idle_yields            = pick<count>(50,        50,        50);

// Channels.
inline constexpr count capacities_max         = pick<count>(20,        10,        5);
inline constexpr count fifo_values            = pick<count>(100,       100,       100);
inline constexpr count producer_values        = pick<count>(1'000,     500,       200);
inline constexpr count consumer_items         = pick<count>(27'182,    10'000,    3'000);
inline constexpr count consumer_fibers        = pick<count>(23,        23,        23);
inline constexpr count parked_receivers       = pick<count>(100,       100,       50);
inline constexpr count race_rounds            = pick<count>(5'000,     1'000,     500);
inline constexpr count closed_receives        = pick<count>(1'000,     1'000,     200);
inline constexpr count handover_rounds        = pick<count>(500,       200,       100);
inline constexpr count lock_rounds            = pick<count>(5'000,     2'000,     500);
inline constexpr count linear_waiters         = pick<count>(250,       100,       50);
inline constexpr count chain_fibers           = pick<count>(10'000,    2'000,     500);
inline constexpr count long_chain_fibers      = pick<count>(100'000,   5'000,     1'000);
inline constexpr count deep_stack_rounds      = pick<count>(50,        20,        10);
inline constexpr count sieve_primes           = pick<count>(25,        25,        15);
inline constexpr count series_terms           = pick<count>(10,        8,         5);

// Select.
inline constexpr count fairness_trials        = pick<count>(10'000,    10'000,    10'000);
inline constexpr count parked_fairness_trials = pick<count>(5'000,     2'000,     2'000);
inline constexpr count default_rounds         = pick<count>(100'000,   20'000,    5'000);
inline constexpr count snapshot_rounds        = pick<count>(5'000,     1'000,     500);
inline constexpr count double_select_rounds   = pick<count>(20'000,    5'000,     1'000);
inline constexpr count self_select_rounds     = pick<count>(1'000,     1'000,     500);
inline constexpr count select_stress_values   = pick<count>(5'000,     1'000,     300);
inline constexpr count closed_send_rounds     = pick<count>(2'000,     2'000,     2'000);
inline constexpr count broadcast_fibers       = pick<count>(1'000,     500,       200);
inline constexpr count racing_senders         = pick<count>(8,         8,         8);
inline constexpr count racing_values          = pick<count>(1'000,     500,       200);
inline constexpr count quiet_selects          = pick<count>(100'000,   20'000,    5'000);

// Exploration.
inline constexpr count ordinary_runs          = pick<count>(10'000,    10'000,    2'000);
inline constexpr count dynamic_channels       = pick<count>(10'000,    5'000,     2'000);
inline constexpr count exhaustive_selects     = pick<count>(3'000,     2'000,     500);
inline constexpr count thread_values          = pick<count>(500,       200,       100);

// Signals.
inline constexpr count raised_signals         = pick<count>(5'000,     2'000,     1'000);
inline constexpr count storm_subscriptions    = pick<count>(300,       100,       60);
inline constexpr count children               = pick<count>(50,        30,        20);
// clang-format on

}  // namespace ringo::test::sizes
