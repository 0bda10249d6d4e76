"""What programs are offered; docs/api.md describes it, /api/docs shows it."""
