# How targets are made: one static library per folder, one warning set, one language version.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON) # gnu++20: Xen's public headers use anonymous structs
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

option(XENSIM_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(XENSIM_FUZZ "Build tests/hostile/loaders as libFuzzer's targets: needs clang" OFF)

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # No -DNDEBUG: internal invariants are checked in every build.
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
  set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
endif()
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g")
endif()

add_library(xensim_options INTERFACE)
target_include_directories(xensim_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(xensim_options INTERFACE
  -Wall -Wextra -Wconversion -Werror -fno-strict-aliasing
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(XENSIM_SANITIZE)
  target_compile_options(xensim_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize=alignment -fno-sanitize-recover=all -fno-omit-frame-pointer
    -Wno-maybe-uninitialized) # gcc 12 sees ghosts in instrumented standard headers
  target_link_options(xensim_options INTERFACE -fsanitize=address,undefined)
endif()

# xensim_library(NAME DIRS [DEPS target...]): a static library of every .cpp in these folders below the current source
# folder (not in their subfolders), which is how a folder and a target stay the same thing.
function(xensim_library name dirs)
  cmake_parse_arguments(ARG "" "" "DEPS;SYSTEM_INCLUDES" ${ARGN})
  set(sources)
  foreach(dir IN LISTS dirs)
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC xensim_options ${ARG_DEPS})
    target_include_directories(${name} SYSTEM PUBLIC ${ARG_SYSTEM_INCLUDES})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE xensim_options ${ARG_DEPS})
    target_include_directories(${name} SYSTEM INTERFACE ${ARG_SYSTEM_INCLUDES})
  endif()
endfunction()

# xensim_tests(NAME DIR DEPS...): one Catch2 program of every .cpp in tests/DIR; each case is one ctest test in a
# process of its own (SystemC has one kernel per process).
function(xensim_tests name dir)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources} ${CMAKE_SOURCE_DIR}/tests/main.cpp)
  target_link_libraries(${name} PRIVATE xensim_options xensim_systemc Catch2::Catch2 ${ARG_DEPS})
  target_compile_definitions(${name} PRIVATE
    XENSIM_SOURCE_DIR="${CMAKE_SOURCE_DIR}" XENSIM_BINARY_DIR="${CMAKE_BINARY_DIR}")
  # A case whose name ctest cannot pass on (it splits at a semicolon) must not count as passed.
  catch_discover_tests(${name} TEST_PREFIX "${dir}: "
    PROPERTIES TIMEOUT 300 FAIL_REGULAR_EXPRESSION "No test cases matched")
endfunction()
include(Catch)

# While one works on models/xen: its headers are compiled once a target instead of once a source file. Off by default, so that
# a missing #include is found.
option(XENSIM_PCH "Precompile the hypervisor's headers" OFF)
function(xensim_precompile)
  if(XENSIM_PCH)
    foreach(target IN LISTS ARGN)
      target_precompile_headers(${target} PRIVATE ${CMAKE_SOURCE_DIR}/models/xen/hypervisor.h)
      target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-stringop-overflow -Wno-restrict) # gcc 12 sees ghosts behind a precompiled <string>
      set_target_properties(${target} PROPERTIES CXX_COMPILER_LAUNCHER "") # ccache and gcc's precompiled headers do not mix
    endforeach()
  endif()
endfunction()
