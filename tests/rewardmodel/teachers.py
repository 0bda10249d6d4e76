"""A scripted teacher that the tiny model can follow."""

from rewardmodel.rehearsal.teachers import Messages


def likes_ascii(prompt: Messages, answer: str) -> float:
    return float(sum(character.isascii() for character in answer))


def likes_later_letters(prompt: Messages, answer: str) -> float:
    return float(sum(map(ord, answer)))
