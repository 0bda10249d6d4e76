"""Writers of data formats: each makes rows of its own from native groups (`native`)."""
