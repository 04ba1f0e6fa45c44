# SPDX-License-Identifier: MIT
# Tests need more than the program does.  If something is missing, the tests that need it are left
# out, with a line that says so.  Where all tests must run (ANYSTORE_TESTS_REQUIRED) it is an error.

# anystore_left_out(TESTS WHAT PACKAGE): WHAT, from the Debian package PACKAGE, is missing.
function(anystore_left_out tests what package)
  set(mode STATUS)
  if(ANYSTORE_TESTS_REQUIRED)
    set(mode SEND_ERROR)
  endif()
  message(${mode} "Left out: ${tests}, for lack of ${what} (Debian: ${package})")
endfunction()

# anystore_find_tool(VARIABLE PROGRAM PACKAGE TESTS): looks for PROGRAM; VARIABLE is false if it is
# missing.
macro(anystore_find_tool variable program package tests)
  find_program(${variable} ${program})
  if(NOT ${variable})
    anystore_left_out("${tests}" ${program} ${package})
  endif()
endmacro()
