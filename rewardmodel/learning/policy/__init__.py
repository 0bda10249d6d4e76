"""Stage 4: rollouts, algorithms, losses; the loop is in train_policy.py."""
