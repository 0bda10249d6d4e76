"""Readers and writers of data formats and complete files; without Django or a database."""
