"""Proofs on the RTL itself: for every input, for all time after a reset."""
