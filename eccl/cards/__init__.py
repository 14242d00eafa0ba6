"""Model cards: what a finished run is, what it was made from, how well it does and for whom, on one page."""
