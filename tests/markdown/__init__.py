"""What a reader sees of a text, and how soon, without a browser."""
