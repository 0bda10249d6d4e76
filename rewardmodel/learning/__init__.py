"""Training on a bare machine, from a snapshot to a run folder; no Django and no database."""
