"""Doing what a plan says, once or again, and taking back what no plan says any more."""
