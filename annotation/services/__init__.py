"""Every write, with the row locks and transactions that it needs; nothing knows HTTP."""
