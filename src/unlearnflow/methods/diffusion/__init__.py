"""Methods that unlearn diffusion models; one file each."""
