// Talks to a Redis server over several connections at a time: hiredis, and wait_fd().
//
//   redis_pipeline [-t SECONDS] [-n TIMES] ADDRESS PIPELINE...
//
//   redis_pipeline -n 1000 localhost:6379 'INCR a; INCR b; GET a' 'BLPOP never 1'
//
// Each pipeline has a fiber and a connection of its own; it is sent as a whole, TIMES times, while
// the replies come. Prints the replies to the last time, "NUMBER: REPLY", where NUMBER says which
// pipeline it was: one that takes long is in nobody's way. ADDRESS is HOST:PORT, or the path of a
// Unix socket. After -t, and at SIGINT or SIGTERM, all give up. Status 1 if any failed, or got an
// error for a reply; 2 for wrong arguments.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include <hiredis/hiredis.h>
#include <unistd.h>

#include <ringo/io.hpp>
#include <ringo/net.hpp>
#include <ringo/os.hpp>
#include <ringo/ringo.hpp>

namespace {

struct ends {
  void operator()(redisContext* redis) const { redisFree(redis); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using connection = std::unique_ptr<redisContext, ends>;
using reply = std::unique_ptr<redisReply, ends>;
using seconds = std::chrono::duration<double>;
using pipeline = std::vector<std::vector<std::string>>;

struct request {
  std::string address;
  std::size_t times = 1;
};

// [connect]
/// Connects by ringo, and not by hiredis, whose look-ups block: the context holds for them too.
ringo::result<connection> connect(const ringo::context& ctx, const std::string& address) {
  ringo::result<int> fd = -1;
  if (address.starts_with('/')) {
    const auto conn = ringo::net::dial(ctx, ringo::net::unix_stream, address);
    fd = conn ? conn->release() : conn.error();
  } else {
    const auto conn = ringo::net::dial(ctx, ringo::net::tcp, address);
    fd = conn ? conn->release() : conn.error();
  }
  if (!fd) return fd.error();
  connection made(redisConnectFd(*fd));
  if (!made) {
    ::close(*fd);
    return std::make_error_code(std::errc::not_enough_memory);
  }
  made->flags &= ~REDIS_BLOCK;  // redisConnectFd() takes the descriptor for a blocking one
  return made;
}
// [connect]

// [reply]
/// Sends what is queued, as far as it must, and waits for the next reply.
ringo::result<reply> next_reply(const ringo::context& ctx, redisContext* redis) {
  for (;;) {
    void* got = nullptr;
    int all_sent = 0;
    if (redisGetReplyFromReader(redis, &got) != REDIS_OK ||
        (got == nullptr && redisBufferWrite(redis, &all_sent) != REDIS_OK)) {
      return std::make_error_code(std::errc::io_error);  // redis->errstr tells more
    }
    if (got != nullptr) return reply(static_cast<redisReply*>(got));
    const auto ready = ringo::io::wait_fd(
        ctx,
        redis->fd,
        all_sent != 0 ? ringo::io::readable : ringo::io::readable | ringo::io::writable);
    if (!ready) return ready.error();
    if (any(*ready & ringo::io::readable) && redisBufferRead(redis) != REDIS_OK) {
      return std::make_error_code(std::errc::io_error);
    }
  }
}
// [reply]

std::string to_text(const redisReply& of) {
  switch (of.type) {
    case REDIS_REPLY_INTEGER: return std::to_string(of.integer);
    case REDIS_REPLY_NIL: return "(nil)";
    case REDIS_REPLY_ERROR: return "(error) " + std::string(of.str, of.len);
    case REDIS_REPLY_ARRAY: {
      std::string text = "[";
      for (std::size_t i = 0; i < of.elements; ++i) {
        text += (i > 0 ? ", " : "") + to_text(*of.element[i]);
      }
      return text + "]";
    }
    default: return {of.str, of.len};
  }
}

/// "GET a; GET b": commands of words.
pipeline parse(const std::string& text) {
  pipeline made;
  std::istringstream commands(text);
  for (std::string command; std::getline(commands, command, ';');) {
    std::istringstream words(command);
    made.emplace_back(std::istream_iterator<std::string>(words),
                      std::istream_iterator<std::string>());
    if (made.back().empty()) made.pop_back();
  }
  return made;
}

/// Queues it all; null: done, else what is wrong.
const char* append(redisContext* redis, const pipeline& commands) {
  for (const auto& command : commands) {
    std::vector<const char*> words;
    words.reserve(command.size());
    for (const std::string& word : command) words.push_back(word.c_str());
    const int count = static_cast<int>(words.size());
    if (redisAppendCommandArgv(redis, count, words.data(), nullptr) != REDIS_OK)
      return redis->errstr;
  }
  return nullptr;
}

/// What went wrong; empty: nothing.
std::string ask(const ringo::context& ctx, const request& how, int number, const pipeline& them) {
  const auto opened = connect(ctx, how.address);
  if (!opened) return opened.error().message();
  redisContext* redis = opened->get();
  for (std::size_t i = 0; i < how.times; ++i) {
    if (const char* wrong = append(redis, them)) return wrong;
  }
  std::string wrong;
  const std::size_t count = them.size() * how.times;
  for (std::size_t i = 0; i < count; ++i) {
    const auto got = next_reply(ctx, redis);
    if (!got) return redis->err != 0 ? redis->errstr : got.error().message();
    if ((*got)->type == REDIS_REPLY_ERROR) wrong = "got an error";
    if (i < count - them.size()) continue;
    std::printf("%d: %s\n", number, to_text(**got).c_str());
    std::fflush(stdout);
  }
  return wrong;
}

int ask_all(const request& how, seconds limit, const std::vector<pipeline>& pipelines) {
  const auto [stop, no_more] =
      ringo::os::signal::notify_context(ringo::background(), {SIGINT, SIGTERM});
  const auto [ctx, give_up] = ringo::with_timeout(stop, limit);
  const ringo::cancel_guard guard(give_up);
  std::atomic<int> status{0};
  ringo::wait_group asking;
  for (int number = 1; const pipeline& commands : pipelines) {
    asking.go([&, ctx = ctx, number] {
      const std::string wrong = ask(ctx, how, number, commands);
      if (wrong.empty()) return;
      std::fprintf(stderr, "redis_pipeline: %d: %s\n", number, wrong.c_str());
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
  seconds limit(60);
  for (int option; (option = getopt(argc, argv, "+t:n:")) != -1;) {
    if (option == 't')
      limit = seconds(std::atof(optarg));
    else if (option == 'n')
      how.times = std::strtoul(optarg, nullptr, 10);
    else
      return 2;
  }
  if (argc - optind < 2) {
    std::fputs("usage: redis_pipeline [-t SECONDS] [-n TIMES] ADDRESS PIPELINE...\n", stderr);
    return 2;
  }
  how.address = argv[optind];
  std::vector<pipeline> pipelines;
  for (int i = optind + 1; i < argc; ++i) pipelines.push_back(parse(argv[i]));
  ringo::os::signal::ignore({SIGPIPE});  // hiredis writes to connections that the server has closed
  return ringo::run([&] { return ask_all(how, limit, pipelines); });
}
