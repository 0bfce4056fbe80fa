#!/bin/sh
# Builds and runs a program with nothing but a compiler and pkg-config.
# usage: pkg_config.sh <source> <directory for results> <ON if there is a shared library>
set -eu
source=$1 directory=$2 shared=$3
mkdir -p "$directory"

flags=$($PKG_CONFIG --cflags --libs --static ringo)
if [ "$shared" = ON ]; then
  # Both kinds stand in one directory: name the archive, else the linker takes the shared one.
  flags=$(echo "$flags" | sed 's/-lringo/-l:libringo.a/')
fi
# shellcheck disable=SC2086  # flags are words
$CXX -std=c++20 "$source" -o "$directory/static" $flags
"$directory/static"

if [ "$shared" = ON ]; then
  # shellcheck disable=SC2046
  $CXX -std=c++20 "$source" -o "$directory/shared" $($PKG_CONFIG --cflags --libs ringo)
  LD_LIBRARY_PATH=$($PKG_CONFIG --variable=libdir ringo) "$directory/shared"
fi
