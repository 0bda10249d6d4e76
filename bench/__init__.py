"""Measurements that are too slow or too noisy for a test; nothing else imports them."""
