# Toolchain of the clang presets: version 14 where it exists (the one we test with), else what there is.
find_program(RINGO_CLANGXX NAMES clang++-14 clang++ clang++-20 clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 REQUIRED)
set(CMAKE_CXX_COMPILER ${RINGO_CLANGXX})
