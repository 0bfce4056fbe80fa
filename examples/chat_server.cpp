// A chat of lines over TCP, with rooms.
//
//   chat_server [ADDRESS]        by default :7008; try: nc localhost 7008
//
//   /nick NAME   another name        /join ROOM   another room
//   /who         who is here         /quit        the end
//   anything else is said to the room
//
// Nothing is shared but channels. A room is a fiber that owns the list of its members and hears of
// them through one channel. A connection has two fibers: one reads lines and tells the room, the
// other selects among what the room says, silence, and the end. Who reads too slowly misses lines
// and is told so; nobody waits for them.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <ringo/io/buffered_reader.hpp>
#include <ringo/net.hpp>
#include <ringo/os.hpp>
#include <ringo/ringo.hpp>

using namespace std::chrono_literals;

namespace {

constexpr std::size_t line_max = 1024;
constexpr std::ptrdiff_t backlog = 64;  // lines that a member may be behind
constexpr auto write_max = 10s;
constexpr auto silence_max = 60s;

struct member {
  ringo::chan<std::string> lines = ringo::make_chan<std::string>(backlog);
  int missed = 0;  // of the room that the member is in
};
using member_ref = std::shared_ptr<member>;

struct event {
  enum class kind { join, leave, quit, rename, say, who } what = kind::say;
  member_ref from;
  std::string name;
  std::string text = {};
};
using room = ringo::chan<event>;

void tell(member& to, const std::string& line) {
  if (to.missed > 0 &&
      to.lines.try_send("* you missed " + std::to_string(to.missed) + " lines\n")) {
    to.missed = 0;
  }
  if (to.missed > 0 || !to.lines.try_send(line)) ++to.missed;
}

void run_room(const ringo::context& stop, const room& events) {
  std::map<member_ref, std::string> here;
  const auto tell_all = [&here](const std::string& line) {
    for (auto& [to, _] : here) tell(*to, line);
  };
  for (;;) {
    const auto got = events.recv(stop);
    if (!got) return;
    const auto& [what, from, name, text] = *got;
    switch (what) {
      case event::kind::join:
        here[from] = name;
        tell_all("* " + name + " is here\n");
        break;
      case event::kind::leave:
      case event::kind::quit:
        here.erase(from);
        tell_all("* " + name + " has left\n");
        if (what == event::kind::quit) from->lines.close();  // the room is the one that sends
        break;
      case event::kind::rename:
        here[from] = text;
        tell_all("* " + name + " is now " + text + "\n");
        break;
      case event::kind::say: tell_all(name + ": " + text + "\n"); break;
      case event::kind::who: {
        std::string names = "*";
        for (const auto& [_, other] : here) names += " " + other;
        tell(*from, names + "\n");
      }
    }
  }
}

/// The rooms by name; made when somebody asks for them first.
class house {
 public:
  explicit house(ringo::context stop) : stop_(std::move(stop)) {}

  room enter(const std::string& name) {
    const std::lock_guard guard(lock_);
    auto [at, is_new] = rooms_.try_emplace(name);
    if (is_new) {
      at->second = ringo::make_chan<event>();
      ringo::go({.name = "room"}, [stop = stop_, events = at->second] { run_room(stop, events); });
    }
    return at->second;
  }

 private:
  const ringo::context stop_;
  ringo::mutex lock_;
  std::map<std::string, room> rooms_;
};

/// The writing half of a connection.
void write_lines(const ringo::context& ctx,
                 const ringo::net::tcp_conn& conn,
                 const member_ref& to) {
  for (;;) {
    std::optional<std::string> line = "* still here\n";
    const auto silence = ringo::after(silence_max);
    const auto what = ringo::select(
        ringo::recv(to->lines, line), ringo::recv(silence, [](auto) {}), ringo::recv(ctx.done()));
    if (what == 2 || !line) return;
    if (conn.set_write_deadline(std::chrono::steady_clock::now() + write_max)) return;
    if (conn.write(ctx, *line)) return static_cast<void>(conn.close());
  }
}

/// The reading half.
void read_lines(const ringo::context& ctx,
                const ringo::net::tcp_conn& conn,
                house& rooms,
                const member_ref& me,
                std::string name) {
  using kind = event::kind;
  room here = rooms.enter("lobby");
  if (here.send(ctx, {kind::join, me, name})) return;
  ringo::io::buffered_reader reader(conn, {.initial_size = line_max, .size_max = line_max});
  for (const std::string_view line : reader.lines(ctx)) {
    const auto space = line.find(' ');
    const std::string_view command = line.substr(0, space);
    const std::string rest(space < line.size() ? line.substr(space + 1) : "");
    if (command == "/quit") break;
    event next{kind::say, me, name, std::string(line)};
    if (command == "/who") next.what = kind::who;
    if (command == "/nick" && !rest.empty()) {
      next = {kind::rename, me, std::exchange(name, rest), rest};
    } else if (command == "/join" && !rest.empty()) {
      if (here.send(ctx, {kind::leave, me, name})) return;
      here = rooms.enter(rest);
      next.what = kind::join;
    }
    if (!line.empty() && here.send(ctx, std::move(next))) return;
  }
  static_cast<void>(here.send(ctx, {kind::quit, me, name}));
}

void serve(const ringo::context& stop, const ringo::net::tcp_conn& conn, house& rooms, int number) {
  const auto me = std::make_shared<member>();
  auto writer = ringo::spawn([&] { write_lines(stop, conn, me); });
  read_lines(stop, conn, rooms, me, "guest" + std::to_string(number));
  writer.join();  // it writes what the room has said until then
}

int serve_all(const std::string& address) {
  const auto [stop, cancel] =
      ringo::os::signal::notify_context(ringo::background(), {SIGINT, SIGTERM});
  const auto listener = ringo::net::listen(ringo::net::tcp, address);
  if (!listener) {
    std::fprintf(
        stderr, "chat_server: %s: %s\n", address.c_str(), listener.error().message().c_str());
    return 1;
  }
  std::printf("%s\n", listener->local().to_string().c_str());
  std::fflush(stdout);
  house rooms(stop);
  ringo::wait_group guests;
  for (int number = 1; !stop.err();) {
    if (const auto conn = listener->accept(stop)) {
      guests.go([&, stop = stop, conn = *conn, number] { serve(stop, conn, rooms, number); });
      ++number;
    } else if (!stop.err()) {  // out of descriptors, most likely: some will be free again soon
      static_cast<void>(ringo::sleep_for(stop, 5ms));
    }
  }
  guests.wait();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return ringo::run([&] { return serve_all(argc > 1 ? argv[1] : ":7008"); });
}
