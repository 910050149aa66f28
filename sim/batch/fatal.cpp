// fatal.cpp -- what the Verilator runtime does when a model can not go on: an exception, not an exit
#include <stdexcept>

void vl_fatal(const char*, int, const char*, const char* message) {
    throw std::runtime_error{message};
}
