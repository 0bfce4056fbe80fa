// Power series as streams that compute on demand, after McIlroy's "Squinting at Power Series". Each
// operation is a fiber that answers requests for its next coefficient by asking its operands for
// theirs. So a series may be an operand of itself: exp is the integral of exp.
// Run: power_series 12 (prints so many coefficients of a few series)

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringo/ringo.hpp>

namespace {

// A fraction in lowest terms. What does not fit has denominator 0, and whatever is computed from it
// has too.
struct rational {
  std::int64_t over = 0;
  std::int64_t under = 1;
};

__extension__ using wide = __int128;  // for what is between two fractions that fit

rational reduced(wide over, wide under) {
  wide divisor = under;
  for (wide rest = over; rest != 0;) divisor = std::exchange(rest, divisor % rest);
  if (divisor == 0) return {0, 0};
  if (divisor < 0) divisor = -divisor;
  over /= divisor;
  under /= divisor;
  constexpr wide most = std::numeric_limits<std::int64_t>::max();
  if (over > most || over < -most || under > most) return {0, 0};
  return {static_cast<std::int64_t>(over), static_cast<std::int64_t>(under)};
}

rational operator+(rational a, rational b) {
  return reduced(wide{a.over} * b.under + wide{b.over} * a.under, wide{a.under} * b.under);
}
rational operator*(rational a, rational b) {
  return reduced(wide{a.over} * b.over, wide{a.under} * b.under);
}

// Whoever wants the next coefficient sends a request and receives it.
struct series {
  ringo::chan<void> request = ringo::make_chan<void>();
  ringo::chan<rational> coefficient = ringo::make_chan<rational>();

  rational next() const {
    request.send();
    return *coefficient.recv();
  }
};

// Two readers of one series, each at its own pace. While it waits for a coefficient it goes on
// serving both: the coefficient may depend on earlier ones that are asked for here.
class splitter {
 public:
  explicit splitter(series in) : in_(std::move(in)) {}

  series out(std::size_t i) const { return readers_[i].out; }

  void run(const ringo::context& ctx) {
    std::optional<rational> value;
    for (;;) {
      const std::size_t event = ringo::select(ringo::recv(readers_[0].out.request),
                                              ringo::recv(readers_[1].out.request),
                                              ringo::recv(in_.coefficient, value),
                                              ringo::recv(ctx.done()));
      if (event == 3) return;
      if (event == 2) {
        asked_ = false;
        for (reader& each : readers_) each.unread.push_back(*value);
      } else {
        readers_[event].waiting = true;
      }
      for (reader& each : readers_) serve(each);
    }
  }

 private:
  struct reader {
    series out;
    bool waiting = false;
    std::deque<rational> unread;  // what the other one was faster to ask for
  };
  series in_;
  bool asked_ = false;
  std::array<reader, 2> readers_;

  void serve(reader& to) {
    if (!to.waiting) return;
    if (!to.unread.empty()) {
      to.waiting = false;
      to.out.coefficient.send(to.unread.front());
      to.unread.pop_front();
    } else if (!std::exchange(asked_, true)) {
      in_.request.send();
    }
  }
};

// Makes series, and ends their fibers when it goes. Nothing is computed without a request, so by
// then each of them waits for one, and there it sees that the context is done.
class workshop {
 public:
  ~workshop() {
    life_.cancel();
    fibers_.wait();
  }

  // Lets a fiber answer the requests for `out` with what `compute` returns.
  template <typename Compute>
  series make(Compute compute, series out = {}) {
    fibers_.go([ctx = life_.ctx, out, compute]() mutable {
      while (!out.request.recv(ctx)) out.coefficient.send(compute());
    });
    return out;
  }

  series constant(rational value) {
    return make([value]() mutable { return std::exchange(value, {}); });
  }
  series add(series a, series b) {
    return make([=] { return a.next() + b.next(); });
  }
  series multiply(series a, series b) {
    return make([=, as = std::vector<rational>(), bs = std::vector<rational>()]() mutable {
      as.push_back(a.next());
      bs.push_back(b.next());
      rational sum;
      for (std::size_t i = 0; i < as.size(); ++i) sum = sum + as[i] * bs[bs.size() - 1 - i];
      return sum;
    });
  }
  series differentiate(series a) {
    return make([=, n = 0]() mutable {
      if (n++ == 0) a.next();
      return rational{n, 1} * a.next();
    });
  }
  // The first coefficient is given, so that it can be told before any of `a` is known: `a` may be
  // made from `out`, which is the integral itself.
  series integrate(rational first, series a, series out = {}) {
    const auto compute = [=, n = 0]() mutable {
      return n++ == 0 ? first : rational{1, n - 1} * a.next();
    };
    return make(compute, out);
  }
  // outer(inner), where inner starts with 0: outer's first coefficient, then x times the product of
  // what is left of inner (divided by x) and what is left of outer, of inner. Each further
  // coefficient so adds a few fibers.
  series compose(series outer, series inner) {
    return make([=, this, rest = std::optional<series>()]() mutable {
      if (rest) return rest->next();
      auto [factor, argument] = split(inner);
      factor.next();
      const rational first = outer.next();
      rest = multiply(factor, compose(outer, argument));
      return first;
    });
  }

  std::pair<series, series> split(series in) {
    splitter both(in);
    std::pair<series, series> out{both.out(0), both.out(1)};
    fibers_.go([ctx = life_.ctx, both = std::move(both)]() mutable { both.run(ctx); });
    return out;
  }

 private:
  ringo::cancellable_context life_ = ringo::with_cancel(ringo::background());
  ringo::wait_group fibers_;
};

// exp' = exp
series exponential(workshop& shop) {
  const series exp;
  const auto [result, again] = shop.split(exp);
  shop.integrate({1, 1}, again, exp);
  return result;
}

// tan' = 1 + tan * tan
series tangent(workshop& shop) {
  const series tan;
  const auto [result, again] = shop.split(tan);
  const auto [left, right] = shop.split(again);
  shop.integrate({0, 1}, shop.add(shop.constant({1, 1}), shop.multiply(left, right)), tan);
  return result;
}

// False: a coefficient does not fit.
bool print(const char* name, series from, int count) {
  std::cout << name << ':';
  for (int i = 0; i < count; ++i) {
    const rational value = from.next();
    if (value.under == 0) {
      std::cout << std::endl;
      std::cerr << "power_series: x^" << i << " in " << name << " needs more than 64 bits\n";
      return false;
    }
    std::cout << ' ' << value.over;
    if (value.under != 1) std::cout << '/' << value.under;
  }
  std::cout << '\n';
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  int count = 12;
  const char* text = argc > 1 ? argv[1] : "12";
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, count);
  if (argc > 2 || rest != end || error != std::errc() || count < 0) {
    std::cerr << "usage: power_series [COUNT]\n";
    return 2;
  }
  return ringo::run([count] {
    workshop shop;
    const bool done = print("exp(x)", exponential(shop), count) &&
                      print("tan(x)", tangent(shop), count) &&
                      print("tan'(x)", shop.differentiate(tangent(shop)), count) &&
                      print("exp(tan(x))", shop.compose(exponential(shop), tangent(shop)), count);
    return done ? 0 : 1;
  });
}
