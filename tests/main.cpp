// The entry of every test program. SystemC owns main(); each Catch case runs in a process of its own under ctest.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <systemc>

int sc_main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
