"""Networks and losses of the ECCL method. The modules use tensors and numbers, never files or tables.

Importing the package is cheap: torch and timm are loaded by the modules that need them. ``specs`` and ``scores`` need
neither.
"""
