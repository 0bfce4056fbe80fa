#include "sched/symbol_table.hpp"

#include <algorithm>
#include <cstring>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ringo::detail {
namespace {

/// A file in memory, for a scope. Everything that it says about itself is checked against its size.
class mapped_file {
 public:
  explicit mapped_file(const char* path) noexcept {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct stat status {};
    if (::fstat(fd, &status) == 0 && status.st_size > 0) {
      size_ = static_cast<std::size_t>(status.st_size);
      void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
      if (memory != MAP_FAILED) data_ = static_cast<const std::byte*>(memory);
    }
    ::close(fd);
  }
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;
  ~mapped_file() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  /// Null: not within the file.
  template <typename T>
  const T* at(std::size_t offset, std::size_t count = 1) const noexcept {
    if (data_ == nullptr || offset > size_ || count > (size_ - offset) / sizeof(T)) return nullptr;
    return reinterpret_cast<const T*>(data_ + offset);
  }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

using header = ElfW(Ehdr);
using section = ElfW(Shdr);
using entry = ElfW(Sym);

/// The lowest address that is loaded: symbols count from 0 in a library or a position-independent
/// program, else from there.
std::uintptr_t first_address(const mapped_file& file, const header& elf) noexcept {
  if (elf.e_type != ET_EXEC) return 0;
  const auto* loads = file.at<ElfW(Phdr)>(elf.e_phoff, elf.e_phnum);
  if (loads == nullptr) return 0;
  std::uintptr_t lowest = UINTPTR_MAX;
  for (std::size_t i = 0; i < elf.e_phnum; ++i) {
    if (loads[i].p_type == PT_LOAD) lowest = std::min<std::uintptr_t>(lowest, loads[i].p_vaddr);
  }
  return lowest == UINTPTR_MAX ? 0 : lowest / 4096 * 4096;
}

const entry* find_function(const entry* all, std::size_t count, std::uintptr_t address) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const entry& one = all[i];
    if (ELF64_ST_TYPE(one.st_info) != STT_FUNC || one.st_shndx == SHN_UNDEF) continue;
    if (address >= one.st_value && address - one.st_value < one.st_size) return &one;
  }
  return nullptr;
}

void find_in_table(const mapped_file& file,
                   const section& table,
                   const section& strings,
                   std::uintptr_t address,
                   table_symbol& result) noexcept {
  const std::size_t count = table.sh_size / sizeof(entry);
  const auto* all = file.at<entry>(table.sh_offset, count);
  const auto* names = file.at<char>(strings.sh_offset, strings.sh_size);
  if (all == nullptr || names == nullptr) return;
  const entry* found = find_function(all, count, address);
  if (found == nullptr || found->st_name >= strings.sh_size) return;
  const char* name = names + found->st_name;
  const std::size_t length = ::strnlen(name, strings.sh_size - found->st_name);
  // A name that was cut cannot be demangled; it is of no use.
  if (length == 0 || length >= sizeof result.name) return;
  std::memcpy(result.name, name, length);
  result.offset = address - found->st_value;
  result.found = true;
}

}  // namespace

table_symbol find_in_file(const char* path, std::uintptr_t offset) noexcept {
  table_symbol result;
  const mapped_file file(path);
  const auto* elf = file.at<header>(0);
  if (elf == nullptr || std::memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0) return result;
  const auto* sections = file.at<section>(elf->e_shoff, elf->e_shnum);
  if (sections == nullptr) return result;
  const std::uintptr_t address = first_address(file, *elf) + offset;
  for (std::size_t i = 0; i < elf->e_shnum && !result.found; ++i) {
    const section& one = sections[i];
    if (one.sh_type != SHT_SYMTAB || one.sh_link >= elf->e_shnum) continue;
    find_in_table(file, one, sections[one.sh_link], address, result);
  }
  return result;
}

}  // namespace ringo::detail
