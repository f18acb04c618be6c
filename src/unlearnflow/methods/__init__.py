"""Unlearning methods, one folder for each family of models."""
