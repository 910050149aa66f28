"""RTL as a function: a Verilated unit in this process, asked for whole batches of vectors.

>>> from golden.spec import MvauSpec
>>> from sim import batch
>>> spec = MvauSpec(mw=2, mh=1, pe=1, simd=2, weight_bits=4, input_bits=4, acc_bits=8)
>>> trace = batch.load(spec).run([[7, -8]], [[15, 0], [2, 15]])
>>> trace.out.tolist(), trace.overflow.tolist(), trace.cycles
([[105], [-106]], [[False], [False]], 3)
"""

from sim.batch.model import Model, Trace, load
from sim.batch.play import judge, kept, play, smallest
from sim.batch.streams import play_streams

__all__ = ["Model", "Trace", "judge", "kept", "load", "play", "play_streams", "smallest"]
