// bare.cpp -- an mvau as a C++ programmer would drive it, which the batch engine is held against
//
// usage: bare INPUTS WEIGHTS BEATS. The files hold beats as the ports hold them; weights are sent
// again and again. It takes so many output beats and prints: cycles, seconds, and two checksums, of
// results and overflow bits. SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <type_traits>
#include <vector>

#include "Vunit.h"
#include "verilated.h"

template <class Port>
auto beats_of(const char* path, const Port&) {
    std::ifstream file{path, std::ios::binary | std::ios::ate};
    std::vector<Port> beats(static_cast<std::size_t>(file.tellg()) / sizeof(Port));
    file.seekg(0).read(reinterpret_cast<char*>(beats.data()), beats.size() * sizeof(Port));
    if (!file || beats.empty()) std::exit(1);
    return beats;
}

int main(int, char** argv) {
    VerilatedContext context;
    Vunit unit{&context};
    const auto inputs = beats_of(argv[1], unit.s_axis_input_tdata);
    const auto weights = beats_of(argv[2], unit.s_axis_weight_tdata);
    static_assert(std::is_integral_v<std::remove_reference_t<decltype(unit.m_axis_output_tdata)>>);
    auto input = inputs.begin();
    auto weight = weights.begin();

    unit.s_axis_input_tvalid = unit.s_axis_weight_tvalid = unit.m_axis_output_tready = 1;
    unit.rst = 1;
    unit.clk = 0;
    unit.eval();
    unit.clk = 1;
    unit.eval();
    unit.rst = 0;

    const auto started = std::chrono::steady_clock::now();
    uint64_t cycles = 0, results = 0, overflows = 0;
    for (uint64_t due = std::strtoull(argv[3], nullptr, 10); due > 0; ++cycles) {
        unit.s_axis_input_tdata = *input;
        unit.s_axis_weight_tdata = *weight;
        unit.clk = 0;
        unit.eval();
        if (unit.s_axis_input_tready && ++input == inputs.end()) input = inputs.begin();
        if (unit.s_axis_weight_tready && ++weight == weights.end()) weight = weights.begin();
        if (unit.m_axis_output_tvalid) {
            results = results * 31 + unit.m_axis_output_tdata;
            overflows = overflows * 31 + unit.m_axis_output_tuser;
            --due;
        }
        unit.clk = 1;
        unit.eval();
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
    std::printf("%" PRIu64 " %.9f %" PRIu64 " %" PRIu64 "\n", cycles, taken.count(), results,
                overflows);
}
