// Asks a PostgreSQL server several things at a time: libpq's non-blocking calls and wait_fd().
//
//   postgres_query [-t SECONDS] [-p VALUE]... CONNINFO STATEMENT...
//
//   postgres_query -t 2.5 -p 6 "host=localhost dbname=test" 'select $1::int * 7' 'select
//   pg_sleep(1)'
//
// Each statement has a fiber and a connection of its own; -p gives the values of $1, $2 and so on.
// Prints the rows as they come, "NUMBER: VALUE|VALUE", where NUMBER says which statement it was:
// one that takes long is in nobody's way. One that takes longer than -t, and all at SIGINT or
// SIGTERM, are cancelled in the server too. Status 1 if any failed, 2 for wrong arguments.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <libpq-fe.h>
#include <unistd.h>

#include <ringo/io.hpp>
#include <ringo/os.hpp>
#include <ringo/ringo.hpp>

using namespace std::chrono_literals;

namespace {

constexpr auto cancel_max = 5s;

template <auto end>
struct ends_with {
  void operator()(auto* what) const { end(what); }
};
using connection = std::unique_ptr<PGconn, ends_with<PQfinish>>;
using answer = std::unique_ptr<PGresult, ends_with<PQclear>>;

struct request {
  std::string conninfo;
  std::vector<const char*> values;
};

// [connect]
/// Connects, or gives up with ctx. The calls of libpq may look up names and read files: that
/// blocks.
std::error_code connect(const ringo::context& ctx, const char* conninfo, connection& to) {
  to.reset(ringo::blocking([&] { return PQconnectStart(conninfo); }));
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (to && PQstatus(to.get()) != CONNECTION_BAD && next != PGRES_POLLING_FAILED) {
    if (next == PGRES_POLLING_OK) return {};
    // The descriptor may be another one each time, also with the same number.
    const auto ready = ringo::io::wait_fd(
        ctx,
        PQsocket(to.get()),
        next == PGRES_POLLING_READING ? ringo::io::readable : ringo::io::writable);
    if (!ready) return ready.error();
    next = ringo::blocking([&] { return PQconnectPoll(to.get()); });
  }
  return std::make_error_code(std::errc::io_error);  // PQerrorMessage() tells more
}
// [connect]

// [result]
/// Sends what is not sent yet and waits for the next result; null: there is none any more.
ringo::result<answer> next_result(const ringo::context& ctx, PGconn* conn) {
  for (;;) {
    const int left = PQflush(conn);
    if (left == 0 && PQisBusy(conn) == 0) return answer(PQgetResult(conn));
    if (left < 0) return std::make_error_code(std::errc::io_error);
    const auto wanted = left > 0 ? ringo::io::readable | ringo::io::writable : ringo::io::readable;
    const auto ready = ringo::io::wait_fd(ctx, PQsocket(conn), wanted);
    if (!ready) return ready.error();
    if (any(*ready & ringo::io::readable) && PQconsumeInput(conn) == 0) {
      return std::make_error_code(std::errc::io_error);
    }
  }
}
// [result]

// [cancel]
/// Ends what the server does for this connection, which can be used again if that went well.
/// PQcancel() makes a connection of its own, and blocks.
std::error_code cancel(PGconn* conn) {
  const std::unique_ptr<PGcancel, ends_with<PQfreeCancel>> order(PQgetCancel(conn));
  std::array<char, 256> why{};
  const bool sent = ringo::blocking(
      [&] { return PQcancel(order.get(), why.data(), static_cast<int>(why.size())) == 1; });
  if (!sent) return std::make_error_code(std::errc::io_error);
  const auto [patience, give_up] = ringo::with_timeout(ringo::background(), cancel_max);
  const ringo::cancel_guard guard(give_up);
  for (;;) {
    const auto rest = next_result(patience, conn);
    if (!rest || !*rest) return rest.error();
  }
}
// [cancel]

void print_rows(int number, const PGresult* of) {
  for (int row = 0; row < PQntuples(of); ++row) {
    std::string line = std::to_string(number) + ": ";
    for (int column = 0; column < PQnfields(of); ++column) {
      line += (column > 0 ? "|" : "") + std::string(PQgetvalue(of, row, column));
    }
    std::printf("%s\n", line.c_str());
  }
  std::fflush(stdout);
}

/// What went wrong; empty: nothing.
std::string ask(const ringo::context& ctx, const request& how, int number, const char* statement) {
  connection conn;
  const auto said = [&](const std::error_code& error) {
    const std::string more = conn ? PQerrorMessage(conn.get()) : "";
    return more.empty() || ctx.err() ? error.message() + "\n" : more;
  };
  if (const auto error = connect(ctx, how.conninfo.c_str(), conn)) return said(error);
  PQsetnonblocking(conn.get(), 1);
  if (PQsendQueryParams(conn.get(),
                        statement,
                        static_cast<int>(how.values.size()),
                        nullptr,
                        how.values.data(),
                        nullptr,
                        nullptr,
                        0) == 0) {
    return PQerrorMessage(conn.get());
  }
  for (std::string wrong;;) {
    const auto got = next_result(ctx, conn.get());
    if (!got) {
      const std::string why = said(got.error());
      const auto left = ctx.err() ? cancel(conn.get()) : std::error_code();
      return left ? why + "it may go on in the server\n" : why;
    }
    if (!*got) return wrong;
    switch (PQresultStatus(got->get())) {
      case PGRES_TUPLES_OK: print_rows(number, got->get()); break;
      case PGRES_COMMAND_OK: break;
      case PGRES_FATAL_ERROR: wrong = PQresultErrorMessage(got->get()); break;
      default: return "an answer of another kind\n";  // of COPY, say
    }
  }
}

int ask_all(const request& how,
            std::chrono::duration<double> limit,
            const std::vector<char*>& statements) {
  const auto [stop, no_more] =
      ringo::os::signal::notify_context(ringo::background(), {SIGINT, SIGTERM});
  const auto [ctx, give_up] = ringo::with_timeout(stop, limit);
  const ringo::cancel_guard guard(give_up);
  std::atomic<int> status{0};
  ringo::wait_group asking;
  for (int number = 1; const char* statement : statements) {
    asking.go([&, ctx = ctx, number, statement] {
      const std::string wrong = ask(ctx, how, number, statement);
      if (wrong.empty()) return;
      std::fprintf(stderr, "postgres_query: %d: %s", number, wrong.c_str());
      status = 1;
    });
    ++number;
  }
  asking.wait();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  request how;
  std::chrono::duration<double> limit(60);
  for (int option; (option = getopt(argc, argv, "+t:p:")) != -1;) {
    if (option == 't')
      limit = std::chrono::duration<double>(std::atof(optarg));
    else if (option == 'p')
      how.values.push_back(optarg);
    else
      return 2;
  }
  if (argc - optind < 2) {
    std::fputs("usage: postgres_query [-t SECONDS] [-p VALUE]... CONNINFO STATEMENT...\n", stderr);
    return 2;
  }
  how.conninfo = argv[optind];
  const std::vector<char*> statements(argv + optind + 1, argv + argc);
  return ringo::run([&] { return ask_all(how, limit, statements); });
}
