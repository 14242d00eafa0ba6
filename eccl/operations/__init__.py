"""What an operator asks: how the workspace stands (status), and whether machine and installation are fit (doctor)."""
