"""The root tree of an image: from locked packages to a stripped, checked system."""
