// Does the kernel copy faster than a loop that reads and writes, and from which size on?

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdio>
#include <string>
#include <thread>

#include <unistd.h>

#include <ringo/io.hpp>
#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

namespace {

using ringo::net::tcp_conn;

/// A stream of which nobody knows that it is a descriptor.
template <typename Stream>
struct opaque {
  Stream inner;
  ringo::result<std::size_t> read(ringo::io::buffer to) const { return inner.read(to); }
  std::error_code write(ringo::io::const_buffer from) const { return inner.write(from); }
  ringo::result<std::size_t> write_some(ringo::io::const_buffer from) const {
    return inner.write_some(from);
  }
};

struct tcp_pair {
  tcp_conn near;
  tcp_conn far;
  tcp_pair() {
    const auto listener = ringo::net::listen(ringo::net::tcp, "127.0.0.1:0").value();
    auto dialler =
        ringo::spawn([&] { return ringo::net::dial(ringo::net::tcp, listener.local()).value(); });
    far = listener.accept().value();
    near = dialler.join();
  }
};

ringo::io::file file_of(std::size_t size) {
  std::FILE* const unnamed = std::tmpfile();
  const auto made = ringo::io::file::from_fd(::dup(::fileno(unnamed))).value();
  std::fclose(unnamed);
  static_cast<void>(made.write(std::string(size, 'x')));
  return made;
}

void discard(const tcp_conn& from) {
  std::string room(std::size_t{256} << 10, ' ');
  while (from.read(room)) {
  }
}

enum class by { loop, kernel };

template <by How, typename To, typename From>
void copy(const To& to, const From& from, std::uint64_t count) {
  if constexpr (How == by::loop) {
    static_cast<void>(ringo::io::copy_n(opaque<To>{to}, opaque<From>{from}, count));
  } else {
    static_cast<void>(ringo::io::copy_n(to, from, count));
  }
}

/// A file of so many bytes to a connection, again and again.
template <by How>
void copy_file_to_tcp(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  ringo::run({.workers = 2}, [&] {
    const auto file = file_of(size);
    const tcp_pair pair;
    auto reader = ringo::spawn([&] { discard(pair.far); });
    for (auto _ : state) {
      static_cast<void>(file.with_fd([](int fd) { ::lseek(fd, 0, SEEK_SET); }));
      copy<How>(pair.near, file, size);
    }
    static_cast<void>(pair.near.close());
    reader.join();
  });
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

/// A proxy between two connections: messages of so many bytes, `in_flight` of them at a time, each
/// round waited for at the far end.
template <by How>
void copy_tcp_to_tcp(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto in_flight = static_cast<std::size_t>(state.range(1));
  ringo::run({.workers = 2}, [&] {
    const tcp_pair in;
    const tcp_pair out;
    auto proxy = ringo::spawn([&] {
      copy<How>(out.near, in.far, ringo::io::detail::no_limit);
      static_cast<void>(out.near.close());
    });
    const std::string message(size, 'x');
    auto sender = ringo::make_chan<void>(1);
    auto writer = ringo::spawn([&] {
      while (sender.recv()) {
        for (std::size_t i = 0; i < in_flight; ++i) static_cast<void>(in.near.write(message));
      }
      static_cast<void>(in.near.close());
    });
    std::string room(std::size_t{256} << 10, ' ');
    for (auto _ : state) {
      sender.send();
      for (std::size_t got = 0; got < size * in_flight;) got += out.far.read(room).value_or(0);
    }
    sender.close();
    writer.join();
    proxy.join();
  });
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size * in_flight));
}

void file_sizes(benchmark::internal::Benchmark* b) {
  for (const int size : {4 << 10, 16 << 10, 64 << 10, 1 << 20, 64 << 20}) b->Arg(size);
  b->UseRealTime()->MeasureProcessCPUTime();
}

void message_sizes(benchmark::internal::Benchmark* b) {
  b->Args({64, 1})->Args({4 << 10, 1})->Args({64 << 10, 1})->Args({64 << 10, 256});
  b->UseRealTime()->MeasureProcessCPUTime();
}

}  // namespace

BENCHMARK(copy_file_to_tcp<by::loop>)->Apply(file_sizes);
BENCHMARK(copy_file_to_tcp<by::kernel>)->Apply(file_sizes);
BENCHMARK(copy_tcp_to_tcp<by::loop>)->Apply(message_sizes);
BENCHMARK(copy_tcp_to_tcp<by::kernel>)->Apply(message_sizes);
