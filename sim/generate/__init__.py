"""Verilog that is written by program, from the AST that pyverilog reads back."""
