#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds Lichen and runs its tests.
#   tests/run_tests.sh [BUILD_FOLDER [CMAKE_OPTION...]]       for example  tests/run_tests.sh build-asan -DLICHEN_SANITIZE=ON
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
[ $# -eq 0 ] || shift

tests/install_dependencies.sh
cmake -S . -B "$build" "$@"
cmake --build "$build" --parallel "$(nproc)"
ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)"
