"""What `make up` and the settings promise, with real processes."""
