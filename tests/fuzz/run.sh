#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets with clang, the sanitizers and libFuzzer, and runs each for some time.
#   tests/fuzz/run.sh SECONDS [TARGET...]       TARGET: a name of README.md; all when none is given
# What is found goes to build-fuzz/found/TARGET/: new inputs into its folder corpus, crashes beside that. Exit code 0:
# nothing was found; 77: clang or a library it takes is missing; others: a finding, or a failure to build.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:?how many seconds a target}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(container decoder model png post_filter rans)

compiler=$(command -v clang++ || true)
works() { # the libraries are packages of their own: libclang-rt-dev and libomp-dev
  local probe
  probe=$(mktemp -d)
  printf '#include <omp.h>\nextern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n' \
    > "$probe/probe.cc"
  "$compiler" -fopenmp -fsanitize=fuzzer,address "$probe/probe.cc" -o "$probe/probe" 2> /dev/null
  local status=$?
  rm -rf "$probe"
  return $status
}
if [ -z "$compiler" ] || ! works; then
  echo "skipped: no clang that can fuzz (tests/install_dependencies.sh debian-packages-fuzz.txt)"
  exit 77
fi

build=build-fuzz
cmake -S . -B $build -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" -DLICHEN_SANITIZE=ON -DLICHEN_BUILD_FUZZERS=ON -DLICHEN_BUILD_EVAL=OFF \
  -DLICHEN_BUILD_TOOLS=OFF
cmake --build $build --target fuzzers --parallel "$(nproc)"

for target in "${targets[@]}"; do
  found=$build/found/$target
  mkdir -p "$found/corpus"
  options=(-max_len=4096)
  case $target in
    model) options=(-max_len=16384 -dict=tests/fuzz/model.dict) ;;
    container | decoder) options+=(-dict=tests/fuzz/container.dict) ;;
  esac
  echo "=== $target, $seconds s"
  $build/tests/fuzz/"${target}"_fuzzer "$found/corpus" "tests/fuzz/corpus/$target" "${options[@]}" \
    -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$found/"
done
