// Power series as pairs of channels, after Go's test/chan/powser1.go (from Doug McIlroy's
// "Squinting at Power Series"). Hundreds of fibers that demand terms of each other, split streams,
// and select over channels that turn nil: few programs lean on channel semantics harder.

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

namespace {

struct rational {
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;  // 0: the end of a series
  bool operator==(const rational&) const = default;
};

constexpr rational end_of_series = {1, 0};
bool is_end(rational r) {
  return r.denominator == 0;
}

rational reduced(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t divisor = std::gcd(numerator, denominator) * (denominator < 0 ? -1 : 1);
  return {numerator / divisor, denominator / divisor};
}

rational operator+(rational a, rational b) {
  return reduced(a.numerator * b.denominator + b.numerator * a.denominator,
                 a.denominator * b.denominator);
}
rational operator*(rational a, rational b) {
  return reduced(a.numerator * b.numerator, a.denominator * b.denominator);
}

/// A term flows along `data` for each demand on `request`.
struct series {
  chan<int> request = make_chan<int>();
  chan<rational> data = make_chan<rational>();
};

rational get(const series& in) {
  in.request.send(0);
  return *in.data.recv();
}

void put(rational term, const series& out) {
  (void)out.request.recv();
  out.data.send(term);
}

void copy_series(const series& in, const series& out) {
  for (;;) {
    (void)out.request.recv();
    out.data.send(get(in));
  }
}

/// One term of each of two series, demanded and received in whatever order they are ready.
std::array<rational, 2> get_both(const series& first, const series& second) {
  std::array<chan<int>, 2> request = {first.request, second.request};
  std::array<chan<rational>, 2> data;
  std::array<std::optional<rational>, 2> terms;
  for (int steps = 0; steps < 4; ++steps) {
    switch (ringo::select(ringo::send(request[0], 0),
                          ringo::send(request[1], 0),
                          ringo::recv(data[0], terms[0]),
                          ringo::recv(data[1], terms[1]))) {
      case 0:
        data[0] = first.data;
        request[0] = {};
        break;
      case 1:
        data[1] = second.data;
        request[1] = {};
        break;
      case 2: data[0] = {}; break;
      default: data[1] = {}; break;
    }
  }
  return {*terms[0], *terms[1]};
}

/// Serves one term of `in` to both outputs, which may be read at different rates. Each term is
/// served by a fiber of its own; `wait` tells it that the older ones have caught up.
void serve_split(const series& in, std::array<series, 2> out, const chan<void>& wait) {
  bool newest_only = true;
  if (ringo::select(ringo::recv(out[0].request), ringo::recv(wait)) == 1) {
    newest_only = false;
    if (ringo::select(ringo::recv(out[0].request), ringo::recv(out[1].request)) == 1) {
      std::swap(out[0], out[1]);
    }
  }
  in.request.send(0);
  auto release = make_chan<void>();
  ringo::go(serve_split, in, out, release);
  const rational term = *in.data.recv();
  out[0].data.send(term);
  if (newest_only) (void)wait.recv();
  (void)out[1].request.recv();
  out[1].data.send(term);
  release.send();
}

void split(const series& in, const std::array<series, 2>& out) {
  auto release = make_chan<void>();
  ringo::go(serve_split, in, out, release);
  release.send();
}

std::array<series, 2> split(const series& in) {
  std::array<series, 2> out = {};
  split(in, out);
  return out;
}

template <class Body>
series generate(Body body) {
  series out;
  ringo::go([out, body = std::move(body)]() mutable { body(out); });
  return out;
}

series repeat(rational term) {
  return generate([=](const series& out) {
    for (;;) put(term, out);
  });
}

series add(const series& u, const series& v) {
  return generate([=](const series& out) {
    for (;;) {
      (void)out.request.recv();
      const auto [a, b] = get_both(u, v);
      if (is_end(a) && is_end(b)) {
        out.data.send(end_of_series);
      } else if (is_end(a) || is_end(b)) {
        out.data.send(is_end(a) ? b : a);
        copy_series(is_end(a) ? v : u, out);
      } else {
        out.data.send(a + b);
      }
    }
  });
}

series scale(rational factor, const series& u) {
  return generate([=](const series& out) {
    for (;;) {
      (void)out.request.recv();
      const rational term = get(u);
      out.data.send(is_end(term) ? end_of_series : factor * term);
      if (is_end(term)) return;
    }
  });
}

/// (u + xU)(v + xV) = uv + x(uV + vU) + xxUV
series multiply(const series& u, const series& v) {
  return generate([=](const series& out) {
    (void)out.request.recv();
    const auto first = get_both(u, v);
    if (is_end(first[0]) || is_end(first[1])) {
      out.data.send(end_of_series);
      return;
    }
    out.data.send(first[0] * first[1]);
    const auto us = split(u);
    const auto vs = split(v);
    const series middle = add(scale(first[0], vs[0]), scale(first[1], us[0]));
    (void)out.request.recv();
    out.data.send(get(middle));
    copy_series(add(middle, multiply(us[1], vs[1])), out);
  });
}

series differentiate(const series& u) {
  return generate([=](const series& out) {
    (void)out.request.recv();
    rational term = get(u);
    for (std::int64_t i = 1; !is_end(term); ++i) {
      term = get(u);
      if (is_end(term)) break;
      out.data.send(rational{i, 1} * term);
      (void)out.request.recv();
    }
    out.data.send(end_of_series);
  });
}

series integrate(rational constant, const series& u) {
  return generate([=](const series& out) {
    put(constant, out);
    for (std::int64_t i = 1;; ++i) {
      (void)out.request.recv();
      const rational term = get(u);
      out.data.send(is_end(term) ? end_of_series : rational{1, i} * term);
      if (is_end(term)) return;
    }
  });
}

/// Z = exp(U) solves DZ = Z * DU: a loop of fibers that feeds on its own output.
series exponential(const series& u) {
  const std::array<series, 2> z = {};
  split(integrate({1, 1}, multiply(z[0], differentiate(u))), z);
  return z[1];
}

void expect_terms(const series& actual, const std::vector<rational>& expected) {
  for (std::size_t i = 0; i < std::min(expected.size(), sizes::series_terms); ++i) {
    const rational term = get(actual);
    EXPECT_EQ(term.numerator, expected[i].numerator);
    EXPECT_EQ(term.denominator, expected[i].denominator);
  }
}

}  // namespace

TEST_CASE("CH-25: power series flow along channels") {
  run_on_each(
      [] {
        const series ones = repeat({1, 1});
        const series twos = repeat({2, 1});
        std::vector<rational> threes;
        std::vector<rational> naturals;
        std::vector<rational> inverses = {{0, 1}};
        for (std::int64_t i = 1; i <= 10; ++i) {
          threes.push_back({3, 1});
          naturals.push_back({i, 1});
          inverses.push_back({1, i});
        }
        expect_terms(add(ones, twos), threes);
        expect_terms(differentiate(ones), naturals);
        expect_terms(integrate({0, 1}, ones), inverses);
        expect_terms(multiply(ones, ones), naturals);
        expect_terms(scale({3, 1}, ones), threes);
      },
      leftovers::allowed);
}

TEST_CASE("CH-25: the exponential of a power series feeds on itself") {
  run_on_each(
      [] {
        expect_terms(exponential(repeat({1, 1})),
                     {{1, 1},
                      {1, 1},
                      {3, 2},
                      {13, 6},
                      {73, 24},
                      {167, 40},
                      {4051, 720},
                      {37633, 5040},
                      {43817, 4480},
                      {4596553, 362880}});
      },
      leftovers::allowed);
}
