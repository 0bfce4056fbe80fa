#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that building, testing and comparing need and that are missing.
# Needs neither root nor network when nothing is missing.
set -euo pipefail

has_header() { printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$1" | g++ -E -x c++ - >/dev/null; }
has_command() { command -v "$1" >/dev/null || command -v "$1-14" >/dev/null; }
has_pkg() { pkg-config --exists "$1"; }
has_postgres() { command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }
has_sanitizers() {
  local clang output status=0
  clang=$(command -v clang++-14 || command -v clang++) || return 1
  output=$(mktemp)
  echo 'int main() {}' | "$clang" -x c++ - -fsanitize=thread -o "$output" 2>/dev/null || status=1
  rm -f "$output"
  return $status
}

# missing <package>[|<package>...] <probe...>: when the probe fails, the first package that apt knows is needed.
needed=()
missing() {
  local packages=$1
  shift
  "$@" 2>/dev/null || needed+=("$packages")
}

missing make has_command make
missing g++ has_command g++
missing cmake has_command cmake
missing ninja-build has_command ninja
missing pkg-config has_command pkg-config
missing python3 has_command python3
missing 'clang-14|clang' has_command clang++
missing 'libclang-rt-14-dev|libclang-rt-dev|libclang-common-14-dev' has_sanitizers
missing 'clang-tidy-14|clang-tidy' has_command clang-tidy
missing 'clang-format-14|clang-format' has_command clang-format
missing 'llvm-14|llvm' has_command llvm-symbolizer
missing valgrind has_command valgrind
missing gdb has_command gdb
missing liburing-dev has_header liburing.h
missing libc-ares-dev has_header ares.h
missing libboost-context-dev has_header boost/context/detail/fcontext.hpp
missing libboost-fiber-dev has_header boost/fiber/all.hpp
missing doctest-dev has_header doctest/doctest.h
missing libbenchmark-dev has_header benchmark/benchmark.h
missing libssl-dev has_header openssl/ssl.h
missing golang has_command go
missing wrk has_command wrk
missing curl has_command curl
missing openssl has_command openssl
missing libboost-dev has_header boost/asio.hpp
missing libboost-dev has_header boost/beast/http.hpp
missing libpq-dev has_pkg libpq
missing postgresql has_postgres
missing libhiredis-dev has_pkg hiredis
missing redis-server has_command redis-server

if [ ${#needed[@]} -eq 0 ]; then exit 0; fi

if ! command -v apt-get >/dev/null; then
  echo "deps: missing here, and there is no apt-get to install them: ${needed[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
"${as_root[@]}" apt-get update -qq || echo "deps: no new package lists, going on with the old ones" >&2

packages=()
for names in "${needed[@]}"; do
  for name in ${names//|/ }; do
    if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then
      packages+=("$name")
      continue 2
    fi
  done
  echo "deps: apt knows no package $names" >&2
  exit 1
done
echo "deps: installing ${packages[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${packages[@]}"
