"""Whole networks: as one Verilog top, played image by image, bit-exact against golden.network."""
