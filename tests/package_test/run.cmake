# SPDX-License-Identifier: Apache-2.0
# Installs a build of Lichen into a fresh folder, with all that belongs to the tools, and builds programs in C++ and C on
# it twice: by find_package and by pkg-config.
#   cmake -DLICHEN_BUILD=... -DLICHEN_LIBDIR=lib -DWORK=... -DCXX=... -DCC=... -P run.cmake
include(${CMAKE_CURRENT_LIST_DIR}/run_function.cmake)

set(prefix ${WORK}/prefix)
set(source ${CMAKE_CURRENT_LIST_DIR})
set(example ${source}/../../examples/ppm_lichen.c)
set(example_test ${source}/../c_example_test.sh)
set(example_picture ${source}/../data/golden/rgb.raw "70 50")
file(REMOVE_RECURSE ${prefix} ${WORK}/consumers)
run(${CMAKE_COMMAND} --install ${LICHEN_BUILD} --prefix ${prefix})
if(EXISTS ${prefix}/bin/lichen-enc)  # unless LICHEN_BUILD_TOOLS is off
  foreach(file man/man1/lichen-enc.1 man/man1/lichen-dec.1 bash-completion/completions/lichen-enc
               bash-completion/completions/lichen-dec zsh/site-functions/_lichen mime/packages/lichen.xml)
    if(NOT EXISTS ${prefix}/share/${file})
      message(FATAL_ERROR "share/${file} was not installed")
    endif()
  endforeach()
endif()

run(${CMAKE_COMMAND} -S ${source} -B ${WORK}/consumers -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_C_COMPILER=${CC})
run(${CMAKE_COMMAND} --build ${WORK}/consumers)
run(${WORK}/consumers/consumer)
run(${example_test} ${WORK}/consumers/ppm_lichen ${example_picture})

set(ENV{PKG_CONFIG_PATH} ${prefix}/${LICHEN_LIBDIR}/pkgconfig)
set(ENV{LD_LIBRARY_PATH} ${prefix}/${LICHEN_LIBDIR})  # as ldconfig would for an installation in its place
execute_process(COMMAND pkg-config --cflags --libs lichen OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run(${CXX} -std=c++17 ${source}/consumer.cc -o ${WORK}/consumer ${flags})
run(${WORK}/consumer)
run(${CC} -std=c99 -pedantic -Wall -Wextra -Werror ${example} -o ${WORK}/ppm_lichen ${flags})
run(${example_test} ${WORK}/ppm_lichen ${example_picture})
