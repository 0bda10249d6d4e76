"""What a labeler said with a stored ranking, as it was sent."""

from collections.abc import Mapping
from dataclasses import replace

from annotation.judgment.judgment import AnswerRating, BetterAnswer, Details
from annotation.judgment.scores import dense_ranks
from annotation.models import Demonstration, Ranking


def says_the_same(
    ranking: Ranking, ranks: Mapping[int, int], comment: str, details: Details
) -> bool:
    """Whether this judgment is the stored one, sent again."""
    texts = dict(ranking.group.answers.values_list("position", "text"))
    if set(ranks) != set(texts):
        return False
    ratings = {
        rating.answer.position: AnswerRating(
            rating.quality, tuple(rating.flags), tuple(rating.highlights)
        )
        for rating in ranking.ratings.select_related("answer")
    }
    stored, better = _better_of(ranking), details.better
    return (
        ranking.ranks == dense_ranks([ranks[position] for position in sorted(ranks)])
        and (ranking.comment, ranking.marks) == (comment, list(details.marks))
        and ranking.none_acceptable == details.none_acceptable
        and ratings == {at: said for at, said in details.ratings.items() if not said.is_empty}
        and (stored and _as_sent(stored))
        == (better and replace(better, is_first=better.leads(texts.values())))
    )


def _better_of(ranking: Ranking) -> Demonstration | None:
    return ranking.demonstrations.select_related("source").order_by("-revision").first()


def _as_sent(written: Demonstration) -> BetterAnswer:
    source = written.source.position if written.source else None
    return BetterAnswer(written.text, source, written.is_first)


def form_content(ranking: Ranking) -> dict[str, object]:
    """The ranking as the fields of the desk's form, by the order shown."""
    content: dict[str, object] = {"comment": ranking.comment, "marks": ranking.marks}
    if ranking.none_acceptable:
        content["none_acceptable"] = "on"
    numbers = {position: index for index, position in enumerate(ranking.shown_order, start=1)}
    for position, index in numbers.items():
        content[f"rank_{index}"] = str(ranking.ranks[position])
    for rating in ranking.ratings.select_related("answer"):
        index = numbers[rating.answer.position]
        content[f"quality_{index}"] = str(rating.quality or "")
        content[f"flags_{index}"] = rating.flags
        content[f"highlights_{index}"] = rating.highlights
    better = _better_of(ranking)
    if better is not None:
        content["better"] = better.text
        content["better_source"] = str(numbers[better.source.position]) if better.source else ""
        content["better_first"] = "on" if better.is_first else ""
    return content
