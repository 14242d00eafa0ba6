"""The latent state of simulated hearts."""
