"""Photographs to arrays: NumPy, OpenCV and Pillow only, so that a data stage starts at once."""
