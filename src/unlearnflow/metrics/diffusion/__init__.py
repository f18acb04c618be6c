"""Metrics of diffusion models."""
