"""Stage 3: the model, preferences, losses, metrics; the loop is in train_reward.py."""
