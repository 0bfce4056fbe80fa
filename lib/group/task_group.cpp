#include <ringo/group/task_group.hpp>

#include <ringo/error.hpp>

/// A function's end: 1. its failure, if it is the first: note it, cancel   2. destroy the function
/// 3. give back its place in the limit   4. count it as ended, the last touch of the group, which
/// may be destroyed as soon as the wait_group lets somebody go.

namespace ringo {

task_group::task_group(const context& parent) : task_group(with_cancel_cause(parent)) {}

task_group::task_group(cancellable_cause_context made) noexcept
    : ctx_(std::move(made.ctx)), cancel_(std::move(made.cancel)) {}

task_group::~task_group() {
  cancel_();
  running_.wait();
}

void task_group::set_limit(std::ptrdiff_t n) {
  if (active_.load() != 0) detail::panic("task_group: set_limit while functions are active");
  if (n < 0) {
    limit_.reset();
  } else {
    limit_.emplace(n);
  }
}

std::error_code task_group::wait() {
  running_.wait();
  return tell();
}

std::error_code task_group::wait(const context& ctx) {
  if (const auto given_up = running_.wait(ctx)) return given_up;
  return tell();
}

std::error_code task_group::tell() {
  cancel_(error_);  // nothing, if a failure has done so
  if (thrown_) std::rethrow_exception(thrown_);
  return error_;
}

void task_group::begin() {
  running_.add();
  active_.fetch_add(1);
}

void task_group::fail(std::error_code error, std::exception_ptr thrown) noexcept {
  if (failed_.exchange(true)) return;
  error_ = error;
  thrown_ = std::move(thrown);
  cancel_(error);
}

void task_group::end() noexcept {
  if (limit_) limit_->release();
  active_.fetch_sub(1);
  running_.done();
}

}  // namespace ringo
