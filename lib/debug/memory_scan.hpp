#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringo::detail {

/// A range of addresses, kept inverted: a search for pointers must not find the searcher's notes.
class hidden_range {
 public:
  hidden_range(const void* begin, std::size_t size) noexcept
      : hidden_begin_(~reinterpret_cast<std::uintptr_t>(begin)),
        hidden_end_(~(reinterpret_cast<std::uintptr_t>(begin) + size)) {}
  std::uintptr_t begin() const noexcept { return ~hidden_begin_; }
  std::uintptr_t end() const noexcept { return ~hidden_end_; }
  bool has(std::uintptr_t address) const noexcept { return address >= begin() && address < end(); }
  bool operator<(const hidden_range& other) const noexcept { return begin() < other.begin(); }

 private:
  std::uintptr_t hidden_begin_;
  std::uintptr_t hidden_end_;
};

/// Reads this process's memory as the kernel does: what cannot be read is passed over. One owner.
/// Memory that holds data. Pages of shared memory may be elsewhere than in this process's tables.
struct data_region {
  hidden_range range;
  bool is_shared;
};

class memory_reader {
 public:
  memory_reader() noexcept;
  ~memory_reader();
  memory_reader(const memory_reader&) = delete;
  memory_reader& operator=(const memory_reader&) = delete;
  /// False: the kernel does not allow it.
  bool is_open() const noexcept { return memory_ >= 0 && pages_ >= 0 && room_ != nullptr; }

  /// What else holds data: all that is readable, but the code and constants of files. False: it
  /// cannot be found out.
  bool find_data(std::vector<data_region>& found) const;
  /// The room that it reads into, which holds copies.
  hidden_range room() const noexcept { return {room_, room_size}; }

  /// Calls visit(word) for each aligned word of a range that is in memory; `all`: of all of it.
  template <typename Visit>
  void for_each_word(std::uintptr_t begin, std::uintptr_t end, bool all, Visit visit) {
    begin = (begin + sizeof(std::uintptr_t) - 1) / sizeof(std::uintptr_t) * sizeof(std::uintptr_t);
    while (begin < end) {
      const std::uintptr_t next = (begin / room_size + 1) * room_size;
      const std::uintptr_t until = next < end ? next : end;
      if (all || is_resident(begin, until)) {
        const std::size_t count = read(begin, until) / sizeof(std::uintptr_t);
        for (std::size_t i = 0; i < count; ++i) visit(room_[i]);
      }
      begin = until;
    }
  }

 private:
  static constexpr std::size_t room_size = std::size_t{1} << 18;

  int memory_ = -1;
  int pages_ = -1;
  std::uintptr_t* room_ = nullptr;

  bool is_resident(std::uintptr_t begin, std::uintptr_t end) const noexcept;
  std::size_t read(std::uintptr_t begin, std::uintptr_t end) noexcept;
};

}  // namespace ringo::detail
