"""What runs, versions and the closed loop promise, with real workers and real training."""
