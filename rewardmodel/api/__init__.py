"""The API whole: what learning offers, beside what annotation does."""
