"""Stages 1 and 2: text and conversations as tokens; the loop is in train_language.py."""
