# Everything xensim builds on, all from Debian packages (tools/install-dependencies lists them).

find_package(Boost REQUIRED COMPONENTS program_options)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Catch2 2 REQUIRED)
find_package(Threads REQUIRED)

# SystemC, Zydis (decoder) and zstd have no usable CMake package in Debian 12.
find_library(SYSTEMC_LIBRARY systemc REQUIRED)
find_path(SYSTEMC_INCLUDE_DIR systemc REQUIRED)
find_library(ZYDIS_LIBRARY Zydis REQUIRED)
find_library(ZYCORE_LIBRARY Zycore)
find_library(ZSTD_LIBRARY zstd REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
find_package(ZLIB REQUIRED)
find_package(BZip2 REQUIRED)
find_package(LibLZMA REQUIRED)
find_library(LZ4_LIBRARY lz4 REQUIRED)
find_library(LZO_LIBRARY lzo2 REQUIRED)
find_library(EDIT_LIBRARY edit REQUIRED)
find_path(XEN_INCLUDE_DIR xen/xen.h REQUIRED)
find_path(VALIJSON_INCLUDE_DIR valijson/validator.hpp REQUIRED)

# A second opinion on system instructions, for tests/differential; without it those comparisons are skipped.
find_library(UNICORN_LIBRARY unicorn)
find_path(UNICORN_INCLUDE_DIR unicorn/unicorn.h)
if(NOT UNICORN_LIBRARY OR NOT UNICORN_INCLUDE_DIR)
  message(STATUS "libunicorn-dev is not installed: comparisons with the Unicorn library are skipped")
endif()

add_library(xensim_zydis INTERFACE)
target_link_libraries(xensim_zydis INTERFACE ${ZYDIS_LIBRARY})

# What a Linux kernel image may be packed with.
add_library(xensim_compression INTERFACE)
target_link_libraries(xensim_compression INTERFACE
  ZLIB::ZLIB BZip2::BZip2 LibLZMA::LibLZMA ${LZ4_LIBRARY} ${LZO_LIBRARY} ${ZSTD_LIBRARY})

# Debian builds SystemC as C++17; its headers pin the ABI to the language version unless told otherwise.
add_library(xensim_systemc INTERFACE)
target_link_libraries(xensim_systemc INTERFACE ${SYSTEMC_LIBRARY} Threads::Threads)
target_include_directories(xensim_systemc SYSTEM INTERFACE ${SYSTEMC_INCLUDE_DIR})
target_compile_definitions(xensim_systemc INTERFACE SC_CPLUSPLUS=201703L)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
