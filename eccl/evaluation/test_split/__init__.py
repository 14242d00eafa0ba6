"""The frozen selection of runs and the log of every access to the test split."""
