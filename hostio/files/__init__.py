"""Files that must survive a power cut, and trees that only root may change."""
