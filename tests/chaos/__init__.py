"""Chaos: load and faults made of a seed, every client's history on record, and its checker."""
