"""Every read, and who may see what; nothing is written or locked, and nothing knows HTTP."""
