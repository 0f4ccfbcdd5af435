"""Whole clusters in one process from one seed, and what tries to break them.

Start with `cluster.py`.
"""
