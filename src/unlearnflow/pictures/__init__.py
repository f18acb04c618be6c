"""Grids of drawn images."""
