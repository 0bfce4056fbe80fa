// A crawler over a directory of HTML files: starts at index.html and follows the links that stay
// inside, each page once, at most N at a time, until all are seen or the time is over. Lists the
// pages, then the links that lead nowhere. -d makes each page as slow as one from a network.
// Run: crawler [-j N] [-t TIMEOUT_MS] [-d DELAY_MS] DIR

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <unistd.h>

#include <ringo/ringo.hpp>

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

struct settings {
  fs::path root;  // canonical
  int reads = 8;
  milliseconds timeout = milliseconds::max();
  milliseconds delay{0};
};

// The values of all href attributes in lower case. No parser of HTML: those in comments count too.
std::vector<std::string> find_links(std::string_view html) {
  constexpr std::string_view spaces = " \t\r\n\f";
  const auto skip_spaces = [&](std::size_t at) {
    return std::min(html.find_first_not_of(spaces, at), html.size());
  };
  std::vector<std::string> links;
  for (std::size_t at = html.find("href"); at != html.npos; at = html.find("href", at + 1)) {
    if (at == 0 || spaces.find(html[at - 1]) == spaces.npos) continue;  // data-href, say
    std::size_t begin = skip_spaces(at + 4);
    if (begin == html.size() || html[begin] != '=') continue;
    begin = skip_spaces(begin + 1);
    const bool quoted = begin < html.size() && (html[begin] == '"' || html[begin] == '\'');
    const std::string_view rest = html.substr(quoted ? begin + 1 : begin);
    const std::string_view end = quoted ? html.substr(begin, 1) : " \t\r\n\f>";
    links.emplace_back(rest.substr(0, rest.find_first_of(end)));
  }
  return links;
}

// The path in a link: without query and fragment, %20 and its like decoded. Empty: to the page
// itself, or to elsewhere in the world (http:, mailto:, //host).
std::string path_of(std::string_view link) {
  link = link.substr(0, link.find_first_of("?#"));
  if (link.starts_with("//") || link.find(':') < link.find('/')) return {};
  std::string path;
  for (std::size_t i = 0; i < link.size(); ++i) {
    unsigned code = 0;
    const char* digits = link.data() + i + 1;
    if (link[i] == '%' && i + 2 < link.size() &&
        std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2 && code != 0) {
      path += static_cast<char>(code);
      i += 2;
    } else {
      path += link[i];
    }
  }
  return path;
}

struct target {
  fs::path file;    // canonical
  std::string why;  // not empty: there is no file that may be read
};

// What `path` means on a page in `folder`.
target find_target(const fs::path& root, const fs::path& folder, const std::string& path) {
  std::error_code err;
  fs::path file = fs::canonical(path[0] == '/' ? root / path.substr(1) : folder / path, err);
  if (!err && fs::is_directory(file, err)) file = fs::canonical(file / "index.html", err);
  if (err) return {file, err.message()};
  const auto [left, below] = std::mismatch(root.begin(), root.end(), file.begin(), file.end());
  if (left != root.end()) return {file, "leads out of the directory"};
  if (!fs::is_regular_file(file, err)) return {file, "not a file"};
  return {file, ""};
}

struct page {
  std::set<fs::path> next;          // the pages it leads to, canonical
  std::vector<std::string> broken;  // "link: why"
};

// Reads a page and looks where its links lead. Plain system calls, which may hold up their thread:
// call it in ringo::blocking.
page read_page(const fs::path& root, const fs::path& file) {
  page found;
  std::ifstream in(file, std::ios::binary);
  const std::string html{std::istreambuf_iterator<char>(in), {}};
  if (!in) found.broken.push_back("cannot be read");
  for (const std::string& link : find_links(html)) {
    const std::string path = path_of(link);
    if (path.empty()) continue;
    auto [next, why] = find_target(root, file.parent_path(), path);
    if (!why.empty()) {
      found.broken.push_back((link + ": ").append(why));
    } else if (next.extension() == ".html" || next.extension() == ".htm") {
      found.next.insert(std::move(next));
    }
  }
  return found;
}

class crawler {
 public:
  crawler(ringo::context ctx, const settings& wanted) : ctx_(std::move(ctx)), wanted_(wanted) {}

  // Visits all that can be reached from `start`, and prints what it saw. Empty: it saw everything.
  std::error_code crawl(const fs::path& start) {
    visit(start);
    visits_.wait();
    for (const auto& name : seen_) std::cout << name << '\n';
    for (const auto& problem : broken_) std::cout << problem << '\n';
    return stopped_;
  }
  bool has_broken_links() const { return !broken_.empty(); }

 private:
  const ringo::context ctx_;
  const settings& wanted_;
  const ringo::chan<void> reading_ = ringo::make_chan<void>(wanted_.reads);  // a semaphore
  ringo::wait_group visits_;
  ringo::mutex lock_;
  std::set<fs::path> asked_;  // guarded by lock_, as what follows
  std::set<std::string> seen_;
  std::set<std::string> broken_;
  std::error_code stopped_;

  // A fiber for each page, which starts those for the pages it leads to.
  void visit(const fs::path& file) {
    const std::lock_guard guard(lock_);
    if (!asked_.insert(file).second) return;
    visits_.go([this, file] {
      const std::error_code err = look_at(file);
      const std::lock_guard again(lock_);
      if (err) stopped_ = err;
    });
  }

  std::error_code look_at(const fs::path& file) {
    if (const auto err = reading_.send(ctx_)) return err;
    const ringo::defer give_back{[this] { reading_.recv(); }};
    if (const auto err = ringo::sleep_for(ctx_, wanted_.delay)) return err;
    // Not to be given up in the middle, as a plain read cannot be; the context waits that long.
    const page found = ringo::blocking([&] { return read_page(wanted_.root, file); });
    const std::string name = file.lexically_relative(wanted_.root);
    {
      const std::lock_guard guard(lock_);
      seen_.insert(name);
      for (const auto& problem : found.broken) {
        broken_.insert((name + ": ").append(problem));
      }
    }
    for (const auto& next : found.next) visit(next);
    return {};
  }
};

int crawl(const settings& wanted, const fs::path& start) {
  const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), wanted.timeout);
  const ringo::cancel_guard stop_timer(cancel);
  crawler pages(ctx, wanted);
  const std::error_code stopped = pages.crawl(start);
  if (stopped) std::cerr << "crawler: " << stopped.message() << '\n';
  const bool written = static_cast<bool>(std::cout.flush());
  if (!written) std::cerr << "crawler: cannot write the output\n";
  return stopped || !written || pages.has_broken_links() ? 1 : 0;
}

// True: all of `text` is a number that is at least `least`.
bool parse(const char* text, int least, int& number) {
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, number);
  return rest == end && error == std::errc() && number >= least;
}

}  // namespace

int main(int argc, char** argv) {
  settings wanted;
  bool usable = true;
  for (int option = 0; (option = ::getopt(argc, argv, "j:t:d:")) != -1;) {
    int number = 0;
    usable = usable && option != '?' && parse(optarg, option == 'j' ? 1 : 0, number);
    if (option == 'j') wanted.reads = number;
    if (option == 't') wanted.timeout = milliseconds(number);
    if (option == 'd') wanted.delay = milliseconds(number);
  }
  if (!usable || argc - optind != 1) {
    std::cerr << "usage: crawler [-j N] [-t TIMEOUT_MS] [-d DELAY_MS] DIR\n";
    return 2;
  }
  std::error_code err;
  wanted.root = fs::canonical(argv[optind], err);
  auto [start, why] = find_target(wanted.root, wanted.root, "index.html");
  if (err) why = err.message();
  if (!why.empty()) {
    std::cerr << "crawler: " << argv[optind] << ": index.html: " << why << '\n';
    return 1;
  }
  return ringo::run([&wanted, &from = start] { return crawl(wanted, from); });
}
