"""The language-model engine that everything shares; without Django, and without training."""
