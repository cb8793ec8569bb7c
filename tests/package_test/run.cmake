# SPDX-License-Identifier: Apache-2.0
# Installs a build of Lichen into a fresh folder and builds a program on it twice: by find_package and by pkg-config.
#   cmake -DLICHEN_BUILD=... -DLICHEN_LIBDIR=lib -DWORK=... -DCXX=... -P run.cmake
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${WORK})
set(prefix ${WORK}/prefix)
set(source ${CMAKE_CURRENT_LIST_DIR})
run(${CMAKE_COMMAND} --install ${LICHEN_BUILD} --prefix ${prefix})

run(${CMAKE_COMMAND} -S ${source} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)

set(ENV{PKG_CONFIG_PATH} ${prefix}/${LICHEN_LIBDIR}/pkgconfig)
execute_process(COMMAND pkg-config --cflags --libs lichen OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run(${CXX} -std=c++17 ${source}/consumer.cc -o ${WORK}/consumer ${flags})
run(${WORK}/consumer)
