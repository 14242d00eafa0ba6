"""The training loop and what it needs to run, resume and report."""
