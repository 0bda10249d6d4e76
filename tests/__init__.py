"""The promises, as tests; `checked` is how types and tensor shapes in signatures are checked.

The settings of the tests name it.
"""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # a whole number may stand for a float
