"""Any file people have, as items: what holds it, what its rows mean, what they say together.

container -> shapes (or mapping) -> item -> staged -> folding; without Django or a database.
"""
