"""``a2q experiments``: what A2Q's parts do to a linear classifier, as tables and plots."""
