# SPDX-License-Identifier: MIT
# Include paths that make an arrow in the wrong direction fail to compile.
#
# Includes are written from the root of the project ("store/map/map.h"), but no target has the root
# on its include path.  Each level of the house has a folder of its own in the build, which shows
# that level and nothing else; a target sees its own level and those of the targets it links to.

# anystore_level(TARGET VISIBILITY LEVEL): lets TARGET include the headers of the folder LEVEL.
function(anystore_level target visibility level)
  set(view ${PROJECT_BINARY_DIR}/levels/${level})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${level} ${view}/${level} SYMBOLIC)
  target_include_directories(${target} ${visibility} ${view})
endfunction()
