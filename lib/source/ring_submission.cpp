#include <algorithm>
#include <bit>

#include <ringo/detail/assert.hpp>

#include "fiber/sanitizer.hpp"
#include "source/ring.hpp"

/// From an operation to an entry of the submission queue.

namespace ringo::detail {
namespace {

constexpr unsigned address_bits = 48;
constexpr std::uint64_t length_max = 1U << 30;  // the kernel's is just below 2 GiB

/// Distinct for the operations that use one address, 2^19 in a row.
std::uint64_t ticket_of(const operation& op, std::uint64_t generation) noexcept {
  static_assert(alignof(operation) >= 8 && ring_id_end <= 8);
  const auto address = reinterpret_cast<std::uintptr_t>(&op);
  RINGO_VERIFY(address >> address_bits == 0);
  return address | (generation & 7) | (generation >> 3) << address_bits;
}

void set_transfer(io_uring_sqe& entry, const operation& op, unsigned code) noexcept {
  entry.opcode = static_cast<std::uint8_t>(code);
  entry.addr = reinterpret_cast<std::uint64_t>(op.data);
  entry.len = static_cast<std::uint32_t>(std::min<std::uint64_t>(op.size, length_max));
  entry.msg_flags = static_cast<std::uint32_t>(op.flags);
}

void set_message(io_uring_sqe& entry, const operation& op, unsigned code) noexcept {
  set_transfer(entry, op, code);
  entry.len = 1;
}

void set_file_transfer(io_uring_sqe& entry, const operation& op, unsigned code) noexcept {
  set_transfer(entry, op, code);
  entry.rw_flags = 0;
  entry.off = static_cast<std::uint64_t>(op.offset);
}

void set_poll(io_uring_sqe& entry, const operation& op) noexcept {
  std::uint32_t events = op.events;
  if constexpr (std::endian::native == std::endian::big) events = events << 16 | events >> 16;
  entry.opcode = IORING_OP_POLL_ADD;
  entry.poll32_events = events;
}

io_uring_sqe entry_of(const operation& op, bool poll_first) noexcept {
  io_uring_sqe entry{};
  entry.fd = op.fd;
  entry.user_data = op.ticket;
  switch (op.code) {
    case opcode::poll: set_poll(entry, op); break;
    case opcode::receive: set_transfer(entry, op, IORING_OP_RECV); break;
    case opcode::send: set_transfer(entry, op, IORING_OP_SEND); break;
    case opcode::receive_message: set_message(entry, op, IORING_OP_RECVMSG); break;
    case opcode::send_message: set_message(entry, op, IORING_OP_SENDMSG); break;
    case opcode::read: set_file_transfer(entry, op, IORING_OP_READ); break;
    case opcode::write: set_file_transfer(entry, op, IORING_OP_WRITE); break;
    case opcode::accept:
      entry.opcode = IORING_OP_ACCEPT;
      entry.accept_flags = static_cast<std::uint32_t>(op.flags);
      break;
    case opcode::sync:
      entry.opcode = IORING_OP_FSYNC;
      entry.fsync_flags = (op.flags & 1) != 0 ? IORING_FSYNC_DATASYNC : 0;
      break;
  }
  // Whoever receives by an operation has tried before, or knows that there is nothing yet.
  const bool receives = entry.opcode == IORING_OP_RECV || entry.opcode == IORING_OP_RECVMSG;
  if (receives && poll_first) entry.ioprio = IORING_RECVSEND_POLL_FIRST;
  return entry;
}

bool has_length(const io_uring_sqe& entry) noexcept {
  return entry.opcode == IORING_OP_RECV || entry.opcode == IORING_OP_SEND ||
         entry.opcode == IORING_OP_READ || entry.opcode == IORING_OP_WRITE;
}

/// A fault: `op.result` remembers what an operation that is not done is to end with.
void disturb(ring_faults& faults, operation& op, io_uring_sqe& entry) noexcept {
  op.result = faults.refusal();
  if (op.result != 0) {
    const std::uint64_t ticket = entry.user_data;
    entry = {};
    entry.opcode = IORING_OP_NOP;
    entry.fd = -1;
    entry.user_data = ticket;
  } else if (has_length(entry)) {
    entry.len = faults.shortened(entry.len);
  }
}

}  // namespace

void ring_engine::start(operation& op) noexcept {
  own();
  const std::uint64_t generation =
      generation_.load(std::memory_order_relaxed) + 1;       // relaxed: the owner's own
  generation_.store(generation, std::memory_order_relaxed);  // relaxed: the owner's own
  op.home = this;
  op.ticket = ticket_of(op, generation);
  // relaxed: a count; only the owner changes it
  started_.store(started_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (RINGO_LIKELY(waiting_.empty() && make_room(1))) {
    queue(op);
  } else {
    waiting_.push(op);
  }
}

/// True: there is room for so many entries.
bool ring_engine::make_room(unsigned entries) noexcept {
  if (RINGO_LIKELY(queues_.has_room(entries))) return true;
  queues_.submit();
  return queues_.has_room(entries);
}

/// There is room.
void ring_engine::queue(operation& op) noexcept {
  io_uring_sqe entry = entry_of(op, abilities_.poll_first);
  if (RINGO_UNLIKELY(faults_ != nullptr)) disturb(*faults_, op, entry);
  if (RINGO_UNLIKELY(!abilities_.cancel_any)) {
    spin_guard guard(armed_lock_);
    armed_.push_back(&op);
  }
  sanitizer_release(&op);  // to whoever reaps it: the kernel is in between
  queues_.push(entry);
}

/// Queues what found no room.
void ring_engine::queue_waiting() noexcept {
  if (RINGO_LIKELY(waiting_.empty())) return;
  operation* op = waiting_.take_all();
  while (op != nullptr && make_room(2)) {
    operation* next = op->next;
    const bool called_off = (op->holds.load() & operation::called_off) != 0;
    const std::uint64_t ticket = op->ticket;
    queue(*op);
    if (called_off) queues_.push(cancel_entry(ticket, abilities_));
    op = next;
  }
  while (op != nullptr) {
    operation* next = op->next;
    waiting_.push(*op);
    op = next;
  }
}

/// False: there is no room.
bool ring_engine::queue_cancel(std::uint64_t ticket) noexcept {
  if (!make_room(1)) return false;
  queues_.push(cancel_entry(ticket, abilities_));
  return true;
}

/// What others have left for the owner.
void ring_engine::serve(fiber_queue& ended) noexcept {
  queue_waiting();
  if (RINGO_UNLIKELY(!mail_.empty())) serve_mail(ended);
}

}  // namespace ringo::detail
