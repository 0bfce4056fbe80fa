#include "io/io_use.hpp"

#include <ringo/detail/explore_point.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "io/kept_meanwhile.hpp"
#include "io/system_call.hpp"
#include "sched/cancellation.hpp"

/// What needs a descriptor's number, and no turn.

namespace ringo::detail {
namespace {

/// Until all is done, or a call does nothing.
io_outcome repeat(io_use& use, opcode code, io::buffer bytes, std::int64_t offset) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    operation op;
    op.code = code;
    op.data = bytes.data() + done;
    op.size = bytes.size() - done;
    op.offset = offset + static_cast<std::int64_t>(done);
    const io_outcome outcome = use.run(op);
    if (outcome.error) return {static_cast<std::int64_t>(done), outcome.error};
    if (outcome.count == 0) break;
    done += static_cast<std::size_t>(outcome.count);
    if (done < bytes.size()) use.let_others_run();  // they may be many, and all in memory
  }
  return {static_cast<std::int64_t>(done), {}};
}

}  // namespace

io_use::io_use(descriptor& of, cancellation* stop) noexcept
    : of_(of), stop_(stop), error_(code_if_done(stop)) {
  explore_point();
  if (!error_ && !of.begin_use()) error_ = errc::closed;
}

io_use::~io_use() {
  if (!error_) io_use::give_back();
}

void io_use::let_others_run() noexcept {
  const kept_meanwhile kept(this);
  yield();
}

void io_use::give_back() noexcept {
  of_.end_use();
}

io_outcome io_use::run(operation& op) {
  wait_patience patience;
  op.fd = of_.fd_;
  if (of_.kind_ != descriptor_kind::file) return outcome_of(make_call(op));
  for (;;) {
    if (of_.is_closed()) return {0, errc::closed};
    if (const auto code = code_if_done(stop_)) return {0, code};
    const std::int64_t result = call_file(op, of_.file_, {nullptr, stop_, this});
    if (result >= 0 || !patience.again(result, this)) return outcome_of(result);
  }
}

io_outcome read_at(descriptor& from, io::buffer to, std::int64_t offset, cancellation* stop) {
  io_use use(from, stop);
  if (use.error()) return {0, use.error()};
  io_outcome outcome = repeat(use, opcode::read, to, offset);
  if (!outcome.error && outcome.count == 0 && !to.empty()) outcome.error = errc::eof;
  return outcome;
}

io_outcome write_at(descriptor& to,
                    io::const_buffer from,
                    std::int64_t offset,
                    cancellation* stop) {
  io_use use(to, stop);
  if (use.error()) return {0, use.error()};
  // The kernel only reads it.
  const io::buffer bytes(const_cast<std::byte*>(from.data()), from.size());
  io_outcome outcome = repeat(use, opcode::write, bytes, offset);
  const bool short_of_all = static_cast<std::size_t>(outcome.count) < from.size();
  if (!outcome.error && short_of_all) outcome.error = std::make_error_code(std::errc::io_error);
  return outcome;
}

std::error_code sync(descriptor& file, sync_extent extent, cancellation* stop) {
  io_use use(file, stop);
  if (use.error()) return use.error();
  operation op;
  op.code = opcode::sync;
  op.flags = extent == sync_extent::data ? 1 : 0;
  return use.run(op).error;
}

}  // namespace ringo::detail
