"""Whole rounds with scripted labelers, through people's services; nothing serves from here."""
