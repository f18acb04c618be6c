"""Unlearning of classifiers: one file each, `unlearn(model, data, rng, *, ...)`."""
