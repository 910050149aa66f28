"""RTL of somebody else in the place of ours: a TOML file says how it is spoken to.

::

    unit = "mvau"                  # what it stands for: mvau or mac
    sources = ["rtl/*.sv"]         # beside the file; packages first
    include = ["rtl/include"]      # folders; all that is in them belongs to a build
    top = "my_mvu"
    clock = "ap_clk"
    reset = "~ap_rst_n"            # ~ before any port: it is active low
    reset_cycles = 1               # that it needs
    cycles_per_beat = 1            # that it may take: only a hang must be told from slowness
    overflow = "wrap"              # or saturate, as golden.mvau does; parameter: either, as told

    [defines]                      # macros
    [parameters]                   # its own, from numbers of the spec
    ACCU_WIDTH = "acc_bits"
    [tie]                          # inputs of no stream: a number, clock, reset or ~reset
    ap_clk2x = "clock"

    [input]                        # also [weight] and [output]; last, overflow where they exist
    data = "s_axis_input_tdata"
    valid = "s_axis_input_tvalid"
    ready = "s_axis_input_tready"
    bits = "(simd*input_bits + 7)/8*8"    # of the word, if it has more than its lanes
    lane_bits = "input_bits"       # of a lane, if it is wider than its value; filled with
    pad = "zero"                   # or sign, as the value is
    first_lane = "lsb"             # or msb: where lane 0 is
                                   # [weight] order = "pe-simd" or "simd-pe": the last is fastest
                                   # [weight] address, data, enable: a memory, a tile at an address

    [limits]                       # of the specs that it takes
    acc_bits = [2, 32]

An expression has integers, + - * / %, comparisons, and the numbers of the spec, with sf and nf.
"""

from sim.dut.dut import Dut

__all__ = ["Dut"]
