"""Withdrawal: remove participants from every store, and certify it in counts."""
