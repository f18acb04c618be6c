"""What is kept of a model for the metrics: one file each, `gather(...)`."""
