// A bounded pipeline over the file system: one fiber walks a directory, N fibers hash, the main
// fiber collects; the first error stops them all. Prints what
// `find DIR -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum` prints.
// Run: digest_tree [-j N] DIR

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <ringo/ringo.hpp>

namespace {

namespace fs = std::filesystem;

// libcrypto's SHA-256. Throws when the library refuses; that leaves the fiber and ends the program.
class sha256 {
 public:
  sha256() { check(state_ ? EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) : 0); }

  void update(std::span<const unsigned char> bytes) {
    check(EVP_DigestUpdate(state_.get(), bytes.data(), bytes.size()));
  }

  std::string hex() {
    std::array<unsigned char, 32> digest;
    check(EVP_DigestFinal_ex(state_.get(), digest.data(), nullptr));
    std::string text;
    for (const unsigned char byte : digest) {
      text += "0123456789abcdef"[byte >> 4];
      text += "0123456789abcdef"[byte & 15];
    }
    return text;
  }

 private:
  struct free_state {
    void operator()(EVP_MD_CTX* state) const { EVP_MD_CTX_free(state); }
  };
  std::unique_ptr<EVP_MD_CTX, free_state> state_{EVP_MD_CTX_new()};

  static void check(int ok) {
    if (ok != 1) throw std::runtime_error("libcrypto cannot compute SHA-256");
  }
};

struct listing {
  std::vector<std::string> files;
  std::vector<std::string> directories;
};

struct outcome {
  std::string path;
  ringo::result<std::string> digest;
};

// The next three make plain system calls, which may hold up their thread: call them in
// ringo::blocking. They read errno at once, since a fiber may go on on another thread.

// What is in a directory, or the file itself if it is one. Nothing else counts, symlinks neither.
ringo::result<listing> list(const std::string& path) {
  std::error_code err;
  const auto type = fs::symlink_status(path, err).type();
  if (err) return err;
  if (type == fs::file_type::regular) return listing{.files = {path}, .directories = {}};
  listing found;
  if (type != fs::file_type::directory) return found;
  for (fs::directory_iterator it(path, err), end; !err && it != end; it.increment(err)) {
    if (it->is_symlink(err)) continue;
    if (it->is_directory(err)) found.directories.push_back(it->path());
    if (it->is_regular_file(err)) found.files.push_back(it->path());
    if (err) break;
  }
  if (err) return err;
  return found;
}

ringo::result<int> open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::error_code(errno, std::system_category());
  return fd;
}

// Returns 0 at the end of the file.
ringo::result<std::size_t> read_some(int fd, std::span<unsigned char> buffer) {
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return std::error_code(errno, std::system_category());
  }
}

// Gives up with errc::canceled when done is closed, also in the middle of a large file.
ringo::result<std::string> hash_file(const std::string& path,
                                     std::span<unsigned char> buffer,
                                     ringo::recv_chan<void> done) {
  const auto fd = ringo::blocking([&] { return open_file(path); });
  if (!fd) return fd.error();
  //! [defer]
  const ringo::defer close_file{[&] { ::close(*fd); }};
  //! [defer]
  sha256 hash;
  for (;;) {
    if (ringo::select(ringo::recv(done), ringo::otherwise) == 0) return ringo::errc::canceled;
    const auto n = ringo::blocking([&] { return read_some(*fd, buffer); });
    if (!n) return n.error();
    if (*n == 0) return hash.hex();
    hash.update(buffer.first(*n));
  }
}

// One line as sha256sum writes it: a backslash in front tells that the name is escaped.
std::string format_line(const std::string& path, const std::string& digest) {
  std::string name;
  for (const char c : path) {
    const auto special = std::string_view("\\\n\r").find(c);
    if (special != std::string_view::npos) name += '\\';
    name += special != std::string_view::npos ? "\\nr"[special] : c;
  }
  return (name == path ? "" : "\\") + digest + "  " + name + "\n";
}

// Sends every regular file at or below `root`, until done is closed.
void walk(const std::string& root,
          ringo::send_chan<std::string> files,
          ringo::send_chan<outcome> outcomes,
          ringo::recv_chan<void> done) {
  const ringo::defer close_files{[&] { files.close(); }};
  // No recursion: a tree may be deeper than a fiber's stack.
  std::vector<std::string> pending{root};
  while (!pending.empty()) {
    const std::string path = std::move(pending.back());
    pending.pop_back();
    auto found = ringo::blocking([&] { return list(path); });
    if (!found) return outcomes.send({path, found.error()});
    for (auto& file : found->files) {
      if (ringo::select(ringo::send(files, std::move(file)), ringo::recv(done)) == 1) return;
    }
    std::move(found->directories.begin(), found->directories.end(), std::back_inserter(pending));
  }
}

int digest_tree(const std::string& root, int hashers) {
  auto files = ringo::make_chan<std::string>(hashers);
  auto outcomes = ringo::make_chan<outcome>(hashers);
  auto done = ringo::make_chan<void>();  // closed at the first error

  ringo::wait_group producers;
  producers.go([&] { walk(root, files, outcomes, done); });
  for (int i = 0; i < hashers; ++i) {
    producers.go([&] {
      std::vector<unsigned char> buffer(64 * 1024);
      for (auto&& path : files) {
        auto digest = hash_file(path, buffer, done);
        outcomes.send({std::move(path), std::move(digest)});
      }
    });
  }
  auto closer = ringo::spawn([&] {
    producers.wait();
    outcomes.close();
  });

  std::map<std::string, std::string> digests;
  std::string failure;
  for (auto&& [path, digest] : outcomes) {  // to the end, so that no fiber is left sending
    if (digest) {
      digests.emplace(std::move(path), std::move(*digest));
    } else if (failure.empty()) {
      failure = path + ": " + digest.error().message();
      done.close();
    }
  }
  closer.join();

  if (failure.empty()) {
    for (const auto& [path, digest] : digests) std::cout << format_line(path, digest);
    if (!std::cout.flush()) failure = "cannot write the output";
  }
  if (!failure.empty()) std::cerr << "digest_tree: " << failure << '\n';
  return failure.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  int hashers = 8;
  bool usable = true;
  for (int option = 0; (option = ::getopt(argc, argv, "j:")) != -1;) {
    hashers = option == 'j' ? std::atoi(optarg) : 0;
    usable = usable && hashers > 0;
  }
  if (!usable || argc - optind != 1) {
    std::cerr << "usage: digest_tree [-j N] DIR\n";
    return 2;
  }
  const std::string root = argv[optind];
  return ringo::run([&] { return digest_tree(root, hashers); });
}
