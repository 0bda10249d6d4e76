"""What every page answers, by Django's client and without a browser."""
