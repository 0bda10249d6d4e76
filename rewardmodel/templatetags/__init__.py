"""How templates show metrics and verdicts; a verdict is worded in learning/core/gate.py."""
