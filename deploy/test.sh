#!/usr/bin/env bash
# Installs what the tests need beside what tsbatch needs, builds, and runs every test: the unit tests once more under
# AddressSanitizer and UndefinedBehaviorSanitizer, then everything. Ends with ctest's summary.
# usage: test.sh
set -eu
cd "$(dirname "$0")/.."
. deploy/packages.sh

install_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"

build() { # DIRECTORY CMAKE-OPTION…
    local directory=$1
    shift
    echo "building $directory (log: $directory.log)"
    { cmake -S . -B "$directory" -G Ninja "$@" && cmake --build "$directory"; } >"$directory.log" 2>&1 || {
        tail -n 60 "$directory.log"
        exit 1
    }
}
build build-sanitize -DCMAKE_BUILD_TYPE=Debug -DTSB_SANITIZE=address,undefined
build build-tests -DCMAKE_BUILD_TYPE=Release

# libraries that keep memory until the process ends (Open MPI, OpenMP) are named in the file
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
ctest --test-dir build-sanitize -L unit -j "$(nproc)" --output-on-failure
ctest --test-dir build-tests -j "$(nproc)" --output-on-failure
