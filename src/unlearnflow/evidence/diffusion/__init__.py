"""Evidence of diffusion models: drawn images, and what others see in them."""
