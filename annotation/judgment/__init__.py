"""What one labeler says of a group, and its scores; without Django, and not its storage."""
