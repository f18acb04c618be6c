"""Architectures: one file each, nothing else."""
