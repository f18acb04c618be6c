"""Metrics: one file each, `measure(<evidence by name>, *, ...)`."""
