"""Reproducible machine unlearning: partitions, training, methods, evidence, metrics, reports."""
