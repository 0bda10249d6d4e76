"""Learning from what people said: runs, versions and their pages; people and data are not here."""
