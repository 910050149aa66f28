"""No overflow within the bound, for any weights: dot, pe and mac, whatever the length of a row.

The proof is in pieces, each of which a solver ends in seconds::

    lane        -down <= w*x <= up, and held exactly where that fits     one multiplication
    node        the same of a sum, from its two children alone           one addition
    dot         dot.v holds at every place what lane and node say        its places are cut
    tree        lanes and nodes that keep their promises make a dot ...  no RTL left
    pe, mac     ... whose accumulator is exact, for ever                 dot.v by its promise
    bounds      A2Q and A2Q+ imply the reach that all of this is about   no RTL

A piece assumes promises, which others guarantee; ``unmet`` says which nobody does. The ghosts of a
promise are integers: their widths differ from piece to piece, and a node is proved at each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from formal import control
from formal.claim import Claim
from formal.design import Design
from golden.integer import Overflow
from golden.spec import MvauSpec

BOUND = "since the reset no weights of a dot product reached farther than P bits (exact range)"
RESET = "a reset in the first cycle; from any power-on state, and with any resets after it"
# dot.v alone: beside the formats of the other units, odd lanes, one, and products wider than P.
_ODD = MvauSpec(mw=5, mh=1, pe=1, simd=5, weight_bits=3, input_bits=2, acc_bits=7)
_DOTS = (
    *control.SPECS,
    _ODD,
    replace(_ODD, acc_bits=3, signed_input=True, overflow=Overflow.SATURATE),
    replace(_ODD, weight_bits=1, bipolar_weight=True, acc_bits=4),
    replace(_ODD, input_bits=1, signed_input=True, bipolar_input=True, acc_bits=4),
)


def claims(spec: MvauSpec, units: Sequence[str] = ("dot", "pe", "mac")) -> list[Claim]:
    """Return what is to be proved of units at the formats of ``spec``; SIMD is that of dot and pe.

    The mac has one lane. Each list is whole: what one of its claims assumes, another guarantees.
    """
    lanes = [spec.simd] if {"dot", "pe"} & set(units) else []
    lanes += [1] if "mac" in units and 1 not in lanes else []
    pe_ghosts = spec.acc_bits + 4
    widths = dict.fromkeys([*(_tree_ghosts(spec, simd) for simd in lanes), pe_ghosts])
    found = [_lane(spec), *(node(spec, width) for width in widths)]
    for simd in lanes:
        found += [dot(spec, simd), _tree(spec, simd)]
    if "pe" in units:
        found += [_pe(spec), control.pe_claim(spec)]
    if "mac" in units:
        found += [_mac(spec), control.mac_claim(spec)]
    return [*found, bounds(spec)]


def unmet(claims: Sequence[Claim]) -> list[str]:
    """Return the promises that a claim assumes and none of them guarantees."""
    met = {promise for claim in claims for promise in claim.guarantees}
    assumed = {what for claim in claims for what in claim.assumes if "promise" in what}
    return sorted(assumed - met)


def dot_promise(spec: MvauSpec, simd: int) -> str:
    """Return the name of what is proved of a dot of ``simd`` lanes."""
    return f"dot_promise of {simd} lanes, {_formats(spec)}, {_register(spec)}"


def node_promise(spec: MvauSpec, ghost_bits: int) -> str:
    """Return the name of what is proved of a node, with ghosts of a width."""
    return f"node_promise, {_register(spec)}, ghosts of {ghost_bits} bits"


def _lane_promise(spec: MvauSpec) -> str:
    return f"lane_promise, {_formats(spec)}, {_register(spec)}"


def _shape_promise(spec: MvauSpec, simd: int) -> str:
    return f"promise that dot.v is its tree, {simd} lanes, {_formats(spec)}, {_register(spec)}"


def _formats(spec: MvauSpec) -> str:
    return f"{spec.weights} weights, {spec.inputs} inputs"


def _register(spec: MvauSpec) -> str:
    return f"P={spec.acc_bits} {spec.overflow.word}"


def operands(spec: MvauSpec) -> dict[str, int]:
    """Return the parameters that say what a weight and an input are."""
    names = ("WEIGHT_BITS", "BIPOLAR_WEIGHT", "INPUT_BITS", "SIGNED_INPUT", "BIPOLAR_INPUT")
    return {name: int(getattr(spec, name.lower())) for name in names}


def _all(spec: MvauSpec, simd: int | None = None) -> dict[str, int]:
    shape = {} if simd is None else {"SIMD": simd}
    return {
        **shape, **operands(spec), "ACC_BITS": spec.acc_bits, "OVERFLOW": int(spec.overflow)
    }  # fmt: skip


def _lane(spec: MvauSpec) -> Claim:
    return Claim(
        f"lane: {_formats(spec)}, {_register(spec)}",
        "a product lies between -down and up of its weight; where both fit P bits a lane holds it "
        "exactly",
        Design("prove_lane", _all(spec)),
        guarantees=(_lane_promise(spec),),
        cycles=None,
    )


def node(spec: MvauSpec, ghost_bits: int) -> Claim:
    """Return the claim that a node keeps its promise, with ghosts of a width."""
    parameters = {"ACC_BITS": spec.acc_bits, "OVERFLOW": int(spec.overflow)}
    return Claim(
        f"node: {_register(spec)}, ghosts of {ghost_bits} bits",
        "the reach of a sum is the sum of both reaches; where it fits P bits a node holds the sum "
        "exactly",
        Design("prove_node", {**parameters, "GHOST_BITS": ghost_bits}),
        guarantees=(node_promise(spec, ghost_bits),),
        cycles=None,
    )


def dots() -> list[Claim]:
    """Return the claims on dot.v at formats of its own, as on the other units."""
    return list({claim.name: claim for spec in _DOTS for claim in [dot(spec, spec.simd)]}.values())


def dot(spec: MvauSpec, simd: int) -> Claim:
    """Return the claim that dot.v is its specification, with ``simd`` lanes.

    >>> dot(control.SPECS[0], 2).design.top
    'prove_dot'
    """
    parameters = _all(spec, simd)
    return Claim(
        f"dot: {simd} lanes, {_formats(spec)}, {_register(spec)}",
        "dot.v is its specification: every place of its tree holds the product, or the sum of its "
        f"two children, {_policy(spec)}; overflow is high if and only if one did not fit",
        Design("prove_dot", parameters, cut=("dot", "nodes"), cut_parameters=parameters),
        guarantees=(_shape_promise(spec, simd),),
        cycles=None,
    )


def _policy(spec: MvauSpec) -> str:
    return "wrapped" if spec.overflow == 0 else "clamped to P bits"


def _tree_ghosts(spec: MvauSpec, simd: int) -> int:
    """The width of the ghosts in prove_tree.v, as it says there."""
    return max(spec.weight_bits + spec.input_bits, spec.acc_bits) + (simd - 1).bit_length() + 3


def _tree(spec: MvauSpec, simd: int) -> Claim:
    names = ("WEIGHT_BITS", "INPUT_BITS")
    widths = {name: value for name, value in operands(spec).items() if name in names}
    assumed = (
        _lane_promise(spec), node_promise(spec, _tree_ghosts(spec, simd)),
        _shape_promise(spec, simd),
    )  # fmt: skip
    return Claim(
        f"tree: {simd} lanes, {_formats(spec)}, {_register(spec)}",
        "within the bound a beat's sum is exact, and no partial sum of it overflows",
        Design("prove_tree", {"SIMD": simd, **widths, "ACC_BITS": spec.acc_bits}),
        assumes=assumed,
        guarantees=(dot_promise(spec, simd),),
        cycles=None,
    )


def _pe(spec: MvauSpec) -> Claim:
    ghosts = spec.acc_bits + 4
    return Claim(
        f"pe: {spec.simd} lanes, {_formats(spec)}, {_register(spec)}",
        "within the bound the accumulator is the exact sum of any dot product, of any length, and "
        "overflow stays low",
        Design("prove_pe", _all(spec, spec.simd), control.FREE_DOT),
        assumes=(
            dot_promise(spec, spec.simd),
            node_promise(spec, ghosts),
            control.promise("pe", spec),
            BOUND,
            RESET,
        ),
    )


def _mac(spec: MvauSpec) -> Claim:
    ghosts = spec.acc_bits + 4
    return Claim(
        f"mac: {_formats(spec)}, {_register(spec)}",
        "within the bound every dot product leaves as its exact sum, once, in order, with its "
        "overflow bit low, whatever the streams do",
        Design("prove_mac", _all(spec), control.FREE_DOT),
        assumes=(
            dot_promise(spec, 1),
            node_promise(spec, ghosts),
            control.promise("mac", spec),
            BOUND,
            RESET,
        ),
    )


def bounds(spec: MvauSpec, **slack: int) -> Claim:
    """Return the claim that the closed forms imply the bound; ``slack`` loosens one of them."""
    loose = "".join(f", {name.lower()} {value}" for name, value in slack.items())
    return Claim(
        f"bounds: {_formats(spec)}, P={spec.acc_bits}{loose}",
        "a row of any length that is within A2Q's bound, or sums to zero and is within A2Q+'s, "
        "reaches no farther than P bits",
        Design("prove_bounds", {**operands(spec), "ACC_BITS": spec.acc_bits, **slack}),
    )
