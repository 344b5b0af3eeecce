"""Weldproof: from a folder of inspection photographs to a classifier whose numbers can be defended."""
