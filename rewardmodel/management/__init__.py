"""What is typed at a terminal; the work is done by services."""
