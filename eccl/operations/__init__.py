"""State of a workspace (status), and checks of machine and installation (doctor)."""
