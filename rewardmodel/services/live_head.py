"""The head that follows a project's rankings as they come in. Runs in the accelerator worker.

It is fitted as a training run fits its own, to the same features, which are read once and kept; so
it costs seconds, and a run that follows reads nothing again.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from django.conf import settings
from django.utils import timezone
from jaxtyping import Float
from torch import Tensor

from annotation.exchange.files import require_room
from annotation.lm.chat import Chat
from annotation.lm.loading import PolicySource, PolicyUnavailable
from annotation.lm.warm import warm_policy
from annotation.models import Project, PromptGroup
from annotation.selectors.policies import champion_policy
from annotation.selectors.rankings import group_rows
from annotation.services.looking import BetweenSteps
from config import space
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.snapshot import sort_groups
from rewardmodel.learning.core.snapshot_rows import SnapshotError
from rewardmodel.learning.reward.attention import best_mean
from rewardmodel.learning.reward.backbone import Backbone
from rewardmodel.learning.reward.choice import Choice, Trial
from rewardmodel.learning.reward.feature_cache import Asked
from rewardmodel.learning.reward.fit_probe import ReadGroups, read_by, read_groups_with
from rewardmodel.learning.reward.gate import reward_gate
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.probe import Head, Recipe
from rewardmodel.models import LiveHead, TrainingRun
from rewardmodel.selectors import (
    FEWEST_RANKINGS,
    drawn_groups,
    features_folder,
    loss_curve,
    rankings_so_far,
    unranked,
)
from rewardmodel.services.picking import pick
from rewardmodel.services.training_settings import as_run_takes_it

TURN = 16  # groups read before others get their turn
GROWN = 1.25  # times as many groups, or as few: what is read of answers is chosen anew
POINTS_KEPT = 200
EXPECTED_AT_ONCE = 200

logger = logging.getLogger(__name__)


def follow_rankings(project: Project) -> bool:
    """One turn: reads groups that nothing has read yet, or fits the head; whether more is to do.

    Groups that wait for answers to be picked do not wait for a head that cannot be fitted. What
    its model cannot do is written down, and tried again later.
    """
    count, last = rankings_so_far(project)
    if count < FEWEST_RANKINGS:
        _pick_by_chance(project)
        return False
    live, _is_new = LiveHead.objects.get_or_create(project=project)
    live.failure_reason = ""
    if live.base_model != (base_model := champion_policy(project).base_model):
        live.base_model, live.recipe = base_model, {}
    try:
        is_unfinished = _follow(project, live, count, last)
    except (PolicyUnavailable, SnapshotError, ValueError, OSError) as problem:
        logger.warning("The live head of %s: %s", project.slug, problem)
        is_unfinished, live.failure_reason = False, str(problem)
        _pick_by_chance(project)
    if not is_unfinished:
        live.followed_at = timezone.now()
        live.save()
    return is_unfinished


def _follow(project: Project, live: LiveHead, count: int, last: int) -> bool:
    """From the `count` rankings up to number `last`."""
    config = _config(project, live.base_model)
    network, tokenizer = warm_policy.get(PolicySource(live.base_model))
    kept = features_folder()
    backbone = Backbone(live.base_model, network, Chat(tokenizer), config.group_tokens, kept)
    rows = [(row["id"], row) for row in group_rows(project, last)]
    every = sort_groups(rows, project.slug, project.heldout_percent, config.labeler_weights)
    data = every.of_half(config.own_half)
    drawn = list(drawn_groups(project).prefetch_related("answers"))
    waiting = _waiting(project, is_told=(live.rankings, live.last_ranking_id) == (count, last))
    require_room(settings.VAR_FOLDER, space.RESERVE)
    ranked = [row.asked for row in (*data.train, *data.heldout)]
    layer = live.recipe.get("layer")
    weighed = layer if "query" in live.recipe else None
    unjudged = backbone.unread([*map(_asked, (*drawn, *waiting))], weighed)
    unread = [*unjudged, *backbone.unread(ranked, layer)]
    turn, tokens = unread[:TURN], config.tokens_per_batch
    backbone.read(turn, tokens, BetweenSteps(), layers=[layer] if layer else [])
    if layer:  # of what is only judged no head needs the tokens that weighs none
        weighing = turn if weighed else turn[len(unjudged) :]
        backbone.read_tokens(weighing, layer, tokens, BetweenSteps())
    if len(unread) > TURN:
        return True
    if len(data.train) >= FEWEST_RANKINGS:
        read = read_groups_with(backbone, config, data)
        head = _head(live, read, count)
        if head is None:
            return True
        _judge(live, head, read)
        _pick(backbone, head, drawn, tokens)
        _expect(backbone, head, waiting, tokens)
    else:
        live.recipe = {}  # there is no head that could say anything of what waits
        _pick_by_chance(project)
    live.last_ranking_id, live.rankings = last, count
    return False


def _head(live: LiveHead, read: ReadGroups, count: int) -> Head | None:
    """Chosen anew, or fitted anew as it was chosen; None where tokens are to be read first."""
    every, known = range(len(read.rows.train)), live.recipe
    is_near = live.chosen_from / GROWN <= len(every) <= GROWN * live.chosen_from
    is_known = is_near and "spread" in known
    if is_known and "query" in known:
        trial = Trial(_recipe(known), known["spread"], 0.0, None)
        return read.refitted(torch.tensor(known["query"]), trial, known["temperature"])
    if is_known:
        choice = read.choice(every, [_recipe(known)], known["spread"])
    else:
        choice = read.choice(every)
        layer = best_mean(choice.trials)
        if layer != known.get("layer"):
            live.recipe = {"layer": layer}
            live.save(update_fields=["base_model", "recipe"])
            return None
        choice = read.attending(choice, every, layer)
        live.chosen_from = len(every)
    _remember(live, choice, read, count)
    return choice.head


def _waiting(project: Project, *, is_told: bool) -> list[PromptGroup]:
    """The first of the queue, of which the head is to say what it expects: of all of them anew
    where rankings came, else where nothing has been said yet."""
    queue = unranked(project).prefetch_related("answers")
    return list((queue.filter(expected__isnull=True) if is_told else queue)[:EXPECTED_AT_ONCE])


def _pick(backbone: Backbone, head: Head, drawn: Sequence[PromptGroup], tokens: int) -> None:
    for group, features in zip(drawn, _read_by(head, backbone, drawn, tokens), strict=True):
        pick(group, head, features)


def _read_by(
    head: Head, backbone: Backbone, groups: Sequence[PromptGroup], tokens: int
) -> list[Float[Tensor, "_ width"]]:
    """What the head reads of the groups' answers."""
    asked = [_asked(group) for group in groups]
    features, states = backbone.read(asked, tokens), None
    if head.query is not None:
        [layer] = head.recipe.layers
        states = backbone.read_tokens(asked, layer, tokens)
    return read_by(head, backbone.layers, features, states)


def _pick_by_chance(project: Project) -> None:
    for group in drawn_groups(project):
        pick(group)


def _config(project: Project, base_model: str) -> RewardConfig:
    """As a training run of the project would have it. Raises ValueError."""
    chosen = as_run_takes_it(project, TrainingRun.Kind.REWARD, project.reward_settings)
    return RewardConfig(snapshot="-", output="-", base_model=base_model, **chosen)


def _asked(group: PromptGroup) -> Asked:
    return group.messages, [answer.text for answer in group.answers.all()]


def _recipe(known: Mapping[str, Any]) -> Recipe:
    return Recipe(tuple(known["layers"]), tuple(known["poolings"]), known["length"])


def _remember(live: LiveHead, choice: Choice, read: ReadGroups, rankings: int) -> None:
    """What the head is, and how well it predicts on folds of the prompts to learn from. Of a query
    that was learned from all of them, no fold could say: there a choice is another point, a fit
    between two choices none."""
    best, head = choice.trials[0], choice.head
    layer = live.recipe["layer"]
    live.recipe = {**asdict(best.recipe), "spread": best.spread, "layer": layer}
    if head.query is not None:
        live.recipe |= {"query": head.query.tolist(), "temperature": choice.temperature}
    measured = asdict(metrics_of(choice.outside, read.rows.train))
    kept = ("accuracy", "log_loss", "calibration_error", "pairs")
    point = {"rankings": rankings, **{name: measured[name] for name in kept}}
    live.history = thinned([*(p for p in live.history if p["rankings"] < rankings), point])


def _judge(live: LiveHead, head: Head, read: ReadGroups) -> None:
    """By the held-out prompts."""
    train, heldout = read.rows.train, read.rows.heldout
    live.verdict = None
    if heldout:
        share = len(heldout) / (len(heldout) + len(train))
        scores, lengths = read.scores(head).heldout, read.heldout_log_lengths
        gate = reward_gate(scores, heldout, share=share, curve=loss_curve(live), lengths=lengths)
        live.verdict = gate.report()


def thinned(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Every other one of the older half goes where there are too many."""
    if len(points) <= POINTS_KEPT:
        return list(points)
    half = len(points) // 2
    return [*points[:half:2], *points[half:]]


def _expect(backbone: Backbone, head: Head, waiting: Sequence[PromptGroup], tokens: int) -> None:
    """Writes down, before anybody ranks these groups, what the head makes of their answers."""
    for group, features in zip(waiting, _read_by(head, backbone, waiting, tokens), strict=True):
        group.expected = [round(score, 4) for score in head.scores(features).tolist()]
    PromptGroup.objects.bulk_update(waiting, ["expected"], batch_size=100)
