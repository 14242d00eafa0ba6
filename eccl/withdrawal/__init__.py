"""Withdrawal: who leaves the study leaves every store, and a certificate says so in counts."""
