// Downloads files, several at a time, with the HTTP client of http_client.hpp.
//
//   downloader [OPTION VALUE]... URL...
//
//   -o DIRECTORY   where the files go       -t SECONDS   the longest a trial may take (600)
//   -j COUNT       files at a time (4)      -s SECONDS   the longest silence of a server (30)
//   -r COUNT       more trials (2)          -m BYTES     the largest file (1 GiB)
//   --ca FILE      trusts the certificates of this PEM file, not the system's
//
// Follows redirections. A file is named after the last part of its URL, replaces one of that name,
// and is there as a whole or not at all; it goes to the disk as it comes. Says on stdout which
// files are there, on stderr how far it is and what failed. Status 1 if anything did, 2 for wrong
// arguments, 130 after SIGINT or SIGTERM, which give up the rest.

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <ringo/group/task_group.hpp>
#include <ringo/os.hpp>
#include <ringo/ringo.hpp>

#include "http_client.hpp"
#include "part_file.hpp"

using namespace std::chrono_literals;

namespace {

constexpr auto pause_min = 100ms;  // before the second trial; twice as long before each further one
constexpr auto report_every = 1s;
constexpr std::size_t name_max = 200;
constexpr std::int64_t number_max = 1'000'000'000;  // seconds fit in nanoseconds

struct options {
  std::string directory = ".", authorities;
  std::int64_t at_a_time = 4, more_trials = 2, trial_s = 600, silence_s = 30, bytes_max = 1 << 30;
  std::vector<std::string> urls;
};

/// The last part of the URL; never one that begins with a point, never one twice.
std::string name_for(const web::url& from, std::set<std::string>& taken) {
  const std::string path = from.target.substr(0, from.target.find('?'));
  std::string name = path.substr(path.rfind('/') + 1, name_max);
  if (name.empty()) name = "index.html";
  if (name.starts_with('.')) name.insert(0, "_");
  std::string made = name;
  for (int i = 1; !taken.insert(made).second; ++i) made = name + "." + std::to_string(i);
  return made;
}

class download {
 public:
  download(const ringo::context& stop, const options& wanted, web::client& client)
      : stop_(stop), wanted_(wanted), client_(client) {}

  /// Status of the program.
  int run() {
    const auto [reporting, no_more] = ringo::with_cancel(stop_);
    auto reporter = ringo::spawn([this, until = reporting] { report(until); });
    ringo::task_group group;
    group.set_limit(wanted_.at_a_time);
    std::set<std::string> names;
    for (const std::string& text : wanted_.urls) {
      try {
        const web::url from = web::parse_url(text);
        const std::string name = name_for(from, names);
        if (group.go(stop_, [this, &text, from, name] { fetch(text, from, name); })) break;
      } catch (const web::hopeless& error) {
        fail(text, error.what());
      }
    }
    static_cast<void>(group.wait());
    no_more();
    reporter.join();
    tell();
    if (stop_.err()) return 130;
    return done_ == wanted_.urls.size() ? 0 : 1;
  }

 private:
  const ringo::context stop_;
  const options& wanted_;
  web::client& client_;
  std::atomic<std::size_t> done_{0};
  std::atomic<std::uint64_t> bytes_{0};

  static void fail(const std::string& text, const std::string& why) {
    std::fprintf(stderr, "downloader: %s: %s\n", text.c_str(), why.c_str());
  }

  void tell() const {
    std::fprintf(stderr,
                 "downloader: %zu of %zu files, %llu bytes\n",
                 done_.load(),
                 wanted_.urls.size(),
                 static_cast<unsigned long long>(bytes_.load()));
  }

  void report(const ringo::context& until) const {
    const ringo::ticker ticks(report_every);
    while (ticks.channel().recv(until)) tell();
    ticks.stop();
  }

  void fetch(const std::string& text, const web::url& from, const std::string& name) {
    auto pause = std::chrono::milliseconds(pause_min);
    for (std::int64_t more = wanted_.more_trials;; --more, pause *= 2) {
      std::string why;
      try {
        try_fetch(from, name);
        ++done_;
        std::printf("%s\n", name.c_str());
        return;
      } catch (const web::hopeless& error) {
        why = error.what();
        more = 0;
      } catch (const boost::system::system_error& error) {
        why = error.code().message();
      } catch (const std::runtime_error& error) {
        why = error.what();
      }
      if (stop_.err()) return;
      if (more <= 0) return fail(text, why);
      if (ringo::sleep_for(stop_, pause)) return;
    }
  }

  void try_fetch(const web::url& from, const std::string& name) {
    const auto [ctx, cancel] = ringo::with_timeout(stop_, std::chrono::seconds(wanted_.trial_s));
    const ringo::cancel_guard guard(cancel);
    part_file file(wanted_.directory, name);
    client_.get(ctx, from, [&](std::string_view piece) {
      file.write(piece);
      bytes_ += piece.size();
    });
    file.keep();
  }
};

bool parse(int argc, char** argv, options& to) {
  const std::map<std::string_view, std::int64_t*> numbers = {{"-j", &to.at_a_time},
                                                             {"-r", &to.more_trials},
                                                             {"-t", &to.trial_s},
                                                             {"-s", &to.silence_s},
                                                             {"-m", &to.bytes_max}};
  int at = 1;
  for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
    const std::string_view name = argv[at], value = argv[at + 1];
    if (const auto found = numbers.find(name); found != numbers.end()) {
      const auto [end, error] = std::from_chars(value.begin(), value.end(), *found->second);
      if (error != std::errc() || end != value.end() || *found->second < 0) return false;
      if (name != "-m" && *found->second > number_max) return false;
    } else if (name == "-o" || name == "--ca") {
      (name == "-o" ? to.directory : to.authorities) = value;
    } else {
      return false;
    }
  }
  to.urls.assign(argv + at, argv + argc);
  return at < argc && argv[at][0] != '-' && to.at_a_time > 0;
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  if (!parse(argc, argv, wanted)) {
    std::fputs("usage: downloader [OPTION VALUE]... URL...\n", stderr);
    return 2;
  }
  try {
    web::asio::ssl::context tls(web::asio::ssl::context::tls_client);
    if (wanted.authorities.empty())
      tls.set_default_verify_paths();
    else
      tls.load_verify_file(wanted.authorities);
    return ringo::run([&] {
      const auto [stop, cancel] =
          ringo::os::signal::notify_context(ringo::background(), {SIGINT, SIGTERM});
      web::client client(tls,
                         {.body_max = static_cast<std::uint64_t>(wanted.bytes_max),
                          .silence_max = std::chrono::seconds(wanted.silence_s)});
      return download(stop, wanted, client).run();
    });
  } catch (const boost::system::system_error& error) {
    std::fprintf(stderr, "downloader: %s: %s\n", wanted.authorities.c_str(), error.what());
    return 2;
  }
}
