"""Grids of runs: what a table needs, run where it is missing, and written beside the paper's figures."""
