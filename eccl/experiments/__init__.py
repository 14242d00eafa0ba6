"""The experiments: which runs the experiment table asks for, and how DVC makes them."""
