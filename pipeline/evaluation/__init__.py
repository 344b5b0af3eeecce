"""scikit-learn and matplotlib: what a trained net is worth, in figures and pictures."""
