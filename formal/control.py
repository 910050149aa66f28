"""What pe, mac and mvau do around their dots, for any weights: each operand and sum in its place.

Of the dot nothing is assumed: whatever it says is what has to be carried, flagged and sent.
"""

from __future__ import annotations

from formal.claim import Claim
from formal.design import Design
from golden.integer import Overflow
from golden.spec import MvauSpec

FREE_DOT = {"dot": "free_dot"}
_COVERED = 32  # beats

# Folded both ways, in one of them, or not at all; not by powers of two alone; one row and more.
SPECS = (
    MvauSpec(mw=6, mh=8, pe=2, simd=2, weight_bits=3, input_bits=2, acc_bits=6),
    MvauSpec(
        mw=3, mh=3, pe=3, simd=3, weight_bits=1, input_bits=1, acc_bits=4, signed_input=True,
        overflow=Overflow.SATURATE, bipolar_weight=True, bipolar_input=True,
    ),
    MvauSpec(mw=5, mh=2, pe=2, simd=1, weight_bits=2, input_bits=3, acc_bits=5, signed_input=True),
    MvauSpec(mw=2, mh=3, pe=1, simd=2, weight_bits=2, input_bits=2, acc_bits=4, observe=False),
    MvauSpec(mw=64, mh=10, pe=5, simd=8, weight_bits=8, input_bits=8, acc_bits=16), # as shipped
)  # fmt: skip


def promise(unit: str, spec: MvauSpec) -> str:
    """Return the name of what is proved of a unit around its dots: each is given what is due."""
    parameters = " ".join(f"{k}={v}" for k, v in spec.verilog_parameters(unit).items())
    return f"promise of the control of {unit}, {parameters}"


def pe_claim(spec: MvauSpec) -> Claim:
    """Return the claim on the pe of a unit.

    >>> pe_claim(SPECS[0]).design.parameters["SIMD"]
    2
    """
    return Claim(
        name=f"pe control {spec.id}",
        says="each dot product starts from 0, each beat goes on from the sum of the one before, "
        "and the flag tells that one of its own beats overflowed",
        design=Design("prove_pe_control", spec.verilog_parameters("pe"), replaced=FREE_DOT),
        guarantees=(promise("pe", spec),),
    )


def mac_claim(spec: MvauSpec) -> Claim:
    """Return the claim on a mac of the formats of ``spec``."""
    return Claim(
        name=f"mac control {spec.id}",
        says="both streams move together and reach the dot unchanged; each dot product sends one "
        "result, once, in order, as its pe said it; nothing waits but for room or operands",
        design=Design("prove_mac_control", spec.verilog_parameters("mac"), replaced=FREE_DOT),
        guarantees=(promise("mac", spec),),
    )


def mvau_claim(spec: MvauSpec) -> Claim:
    """Return the claim on the mvau of ``spec``.

    Where a vector has many beats, what takes all of them is proved, but not covered as well.
    """
    beats = max(spec.total_fold, 2 * spec.sf)
    long = beats <= _COVERED
    parameters = spec.verilog_parameters("mvau") | {"LONG": int(long)}
    return Claim(
        name=f"mvau control {spec.id}",
        says="a vector is taken once and used for each fold; every pe is given the inputs and "
        "weights that are due; each fold sends one beat of what all pe said, once, in order, tlast "
        "with the last; nothing waits but for room or operands",
        design=Design("prove_mvau_control", parameters, replaced=FREE_DOT),
        guarantees=(promise("mvau", spec),),
        depth=beats + 4 if long else 10,
    )


def claims(spec: MvauSpec) -> tuple[Claim, ...]:
    """Return all claims of this module for a spec."""
    return pe_claim(spec), mac_claim(spec), mvau_claim(spec)
