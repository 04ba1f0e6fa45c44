# SPDX-License-Identifier: MIT
# Tests need more than the program does.  What is not there leaves out the tests that need it and
# says so in one line; where all tests must run (ANYSTORE_TESTS_REQUIRED) it is an error.

# anystore_left_out(TESTS WHAT PACKAGE): WHAT, from the Debian package PACKAGE, is not there.
function(anystore_left_out tests what package)
  set(mode STATUS)
  if(ANYSTORE_TESTS_REQUIRED)
    set(mode SEND_ERROR)
  endif()
  message(${mode} "Left out: ${tests}, for lack of ${what} (Debian: ${package})")
endfunction()

# anystore_find_tool(VARIABLE PROGRAM PACKAGE TESTS): looks for PROGRAM; VARIABLE is false without.
macro(anystore_find_tool variable program package tests)
  find_program(${variable} ${program})
  if(NOT ${variable})
    anystore_left_out("${tests}" ${program} ${package})
  endif()
endmacro()
