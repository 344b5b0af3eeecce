"""PyTorch: from packed pictures to a trained net."""
