"""A trained model on recordings that are in no store: predictions with intervals, and how far from the training data they are."""
