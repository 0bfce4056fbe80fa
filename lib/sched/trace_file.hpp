#pragma once

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "sched/tracer.hpp"

namespace ringo::detail {

/// A trace that goes to a file. The tracer's thread writes it, and may block for as long as the
/// file makes it.
class trace_file final : public trace_sink {
 public:
  /// Creates the file, or empties it. Null and an error: those of open(2).
  static std::unique_ptr<trace_file> create(const char* path, std::error_code& error);
  ~trace_file() override;

  std::error_code write(const std::string& text) noexcept override;

 private:
  explicit trace_file(int fd) noexcept : fd_(fd) {}
  int fd_;
};

/// One that is kept in memory.
class trace_memory final : public trace_sink {
 public:
  explicit trace_memory(std::size_t limit) noexcept : limit_(limit) {}

  std::error_code write(const std::string& text) noexcept override;
  std::size_t limit() const noexcept override { return limit_; }
  /// When the trace is over.
  std::string take() noexcept { return std::move(text_); }

 private:
  std::size_t limit_;
  std::string text_;
};

}  // namespace ringo::detail
