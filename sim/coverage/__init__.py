"""Coverage: what of each unit a suite has exercised, and what it has not."""

from sim.coverage.coverage import Coverage, Share, UnitCoverage, cover, cover_streams
from sim.coverage.report import print_coverage

__all__ = ["Coverage", "Share", "UnitCoverage", "cover", "cover_streams", "print_coverage"]
