"""Loops over arrays, compiled by Cython: what numpy would do in dozens of small steps.

Nothing here knows memories, tenants or settings, reads a clock or does I/O. Bounds are checked: a wrong place is an
IndexError, as in Python. What each function promises stands in the `.pyi` beside its source.
"""
