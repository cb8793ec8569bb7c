# SPDX-License-Identifier: Apache-2.0
# run(COMMAND...): shows a command, and stops when it fails.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()
