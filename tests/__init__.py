"""The promises, as tests; `checked` is how types and tensor shapes in signatures are checked.

pytest's --jaxtyping-packages (pyproject.toml) names it.
"""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # a whole number may stand for a float
