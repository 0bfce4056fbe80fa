#pragma once

#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <ringo/ringo.hpp>

/// A file that gets its name when it is kept, and otherwise goes without a trace. Its calls block
/// only the fiber, and throw std::system_error.
class part_file {
 public:
  part_file(const std::string& directory, const std::string& name)
      : path_(directory + "/" + name), part_(directory + "/." + name + ".part") {
    call([&] { return (file_ = std::fopen(part_.c_str(), "wbe")) != nullptr; });
  }
  part_file(const part_file&) = delete;
  part_file& operator=(const part_file&) = delete;
  ~part_file() {
    ringo::blocking([&] {
      if (file_ != nullptr) std::fclose(file_);
      if (!is_kept_) std::remove(part_.c_str());
    });
  }

  void write(std::string_view piece) {
    call([&] { return std::fwrite(piece.data(), 1, piece.size(), file_) == piece.size(); });
  }
  void keep() {
    call([&] { return std::fclose(std::exchange(file_, nullptr)) == 0; });
    call([&] { return std::rename(part_.c_str(), path_.c_str()) == 0; });
    is_kept_ = true;
  }

 private:
  const std::string path_;
  const std::string part_;
  std::FILE* file_ = nullptr;
  bool is_kept_ = false;

  /// errno belongs to the thread, and that may be another one after blocking().
  template <typename Fn>
  void call(Fn&& fn) {
    const int error = ringo::blocking([&] { return fn() ? 0 : errno; });
    if (error != 0) throw std::system_error(error, std::system_category(), path_);
  }
};
