"""Tests of Sluice in Python, and the bed they stand on."""
