"""Data sets: one file each, arrays and labels, nothing else."""
