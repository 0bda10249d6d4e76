"""What is in a snapshot, and what became of it from one to another."""
