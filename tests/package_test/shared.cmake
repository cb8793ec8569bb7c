# SPDX-License-Identifier: Apache-2.0
# Builds Lichen as a shared library, looks at what it shows, and does with it what run.cmake does.
#   cmake -DSOURCE=... -DLICHEN_LIBDIR=lib -DWORK=... -DCXX=... -DCC=... -DBUILD_TYPE=... -DTOOLS=ON -P shared.cmake
set(LICHEN_BUILD ${WORK}/build)
include(${CMAKE_CURRENT_LIST_DIR}/run_function.cmake)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${LICHEN_BUILD} -DBUILD_SHARED_LIBS=ON -DLICHEN_BUILD_TESTS=OFF
    -DLICHEN_BUILD_EVAL=OFF -DLICHEN_BUILD_TOOLS=${TOOLS} -DCMAKE_INSTALL_LIBDIR=${LICHEN_LIBDIR} -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_C_COMPILER=${CC} -DCMAKE_BUILD_TYPE=${BUILD_TYPE})
run(${CMAKE_COMMAND} --build ${LICHEN_BUILD} --parallel)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

run(${CMAKE_CURRENT_LIST_DIR}/../shared_library_test.sh ${prefix}/${LICHEN_LIBDIR}/liblichen.so.0
    ${prefix}/include/lichen/lichen.h)
# The tools find the library beside them, wherever the folder is moved.
if(TOOLS)
  unset(ENV{LD_LIBRARY_PATH})
  file(REMOVE_RECURSE ${WORK}/moved)  # of a run that failed
  file(RENAME ${prefix} ${WORK}/moved)
  run(${WORK}/moved/bin/lichen-enc --quiet ${SOURCE}/tests/data/colosseum.png ${WORK}/photo.lic)
  run(${WORK}/moved/bin/lichen-dec --info ${WORK}/photo.lic)
  file(RENAME ${WORK}/moved ${prefix})
endif()
