"""The head that follows a project's rankings as they come in."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.lm.loading import PolicySource
from annotation.lm.warm import warm_policy
from annotation.models import Project, User
from annotation.services.assignments import take_assignment
from rewardmodel.learning.reward.features import decoder_layers
from rewardmodel.models import LiveHead
from rewardmodel.rehearsal.labelers import rank_everything
from rewardmodel.selectors import RELOADS_REST, RETRY_AFTER, features_folder, is_behind, unranked
from rewardmodel.services import live_head, start_reward_run
from rewardmodel.services.live_head import follow_rankings, thinned
from rewardmodel.tasks import supervise_run
from tests.people import answer_everything
from tests.rewardmodel.conftest import rank_groups
from tests.rewardmodel.teachers import likes_later_letters

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def followed(taught: Project, labeler: User) -> Project:
    """Thirty groups ranked and followed, four more ready; nothing kept that other tests read."""
    shutil.rmtree(features_folder(), ignore_errors=True)
    rank_groups(taught, labeler, 30)
    taught.queue_target = 4
    taught.save()
    answer_everything(taught)
    follow(taught)
    return taught


def follow(project: Project) -> None:
    while follow_rankings(project):
        pass


def kept_files() -> list[tuple[Path, int]]:
    files = features_folder().rglob("*.safetensors")
    return sorted((path, path.stat().st_mtime_ns) for path in files)


def form_of(client: Client, project: Project, labeler: User) -> dict[str, str]:
    """A ranking as shown, best first."""
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    ranks = {f"rank_{n}": str(n) for n in range(1, len(assignment.shown_order) + 1)}
    return {"token": str(assignment.token), **ranks}


def test_it_predicts_rankings_of_prompts_that_it_did_not_learn_from(followed: Project) -> None:
    live = LiveHead.objects.get(project=followed)
    [point] = live.history
    assert point["rankings"] == live.rankings == 30
    assert point["accuracy"] > 0.9
    assert point["log_loss"] < 0.4
    assert live.verdict is not None
    assert live.verdict["values"]["pairs"] > 0


def test_a_quarter_more_rankings_make_another_point_of_its_history(
    followed: Project, labeler: User
) -> None:
    LiveHead.objects.update(chosen_from=20)
    rank_everything(followed, [labeler], likes_later_letters, 0.0, random.Random(0))
    assert is_behind(followed)
    follow(followed)
    live = LiveHead.objects.get(project=followed)
    assert [point["rankings"] for point in live.history] == [30, 34]
    assert not is_behind(followed)


def test_between_two_choices_it_is_fitted_anew_and_judged_by_held_out_prompts(
    followed: Project, labeler: User
) -> None:
    before = LiveHead.objects.get(project=followed)
    rank_everything(followed, [labeler], likes_later_letters, 0.0, random.Random(0))
    follow(followed)
    live = LiveHead.objects.get(project=followed)
    assert live.rankings == 34
    assert live.recipe["layers"] == before.recipe["layers"]
    assert live.recipe.get("query") == before.recipe.get("query")
    assert live.verdict != before.verdict
    assert not is_behind(followed)


@pytest.mark.parametrize("weighs", [True, False])
def test_an_answer_is_read_once_while_it_waits_and_never_when_it_is_ranked(
    followed: Project, labeler: User, weighs: bool
) -> None:
    live = LiveHead.objects.get(project=followed)
    LiveHead.objects.update(chosen_from=live.chosen_from + 4)  # nothing is chosen anew
    if not weighs:
        layer = live.recipe["layer"]
        mean = {"layers": [layer], "poolings": ["mean"], "length": True}
        LiveHead.objects.update(recipe={**mean, "spread": 1.8, "layer": layer})
    rank_groups(followed, labeler, 1)
    answer_everything(followed)
    network, _ = warm_policy.get(PolicySource(live.base_model))
    passes: list[int] = []
    hook = decoder_layers(network)[0].register_forward_hook(lambda *_: passes.append(1))
    follow(followed)
    assert passes == [1]
    rank_groups(followed, labeler, 1)
    follow(followed)
    hook.remove()
    assert passes == [1]


def test_the_page_says_how_many_rankings_it_follows_where_its_figures_are_of_fewer(
    client: Client, followed: Project, admin: User
) -> None:
    client.force_login(admin)
    assert "By now it follows" not in client.get("/projects/kitchen/").content.decode()
    LiveHead.objects.update(rankings=34)
    assert "By now it follows 34 rankings" in client.get("/projects/kitchen/").content.decode()


def test_until_the_worker_is_free_the_page_says_what_it_waits_for(
    client: Client, taught: Project, labeler: User, admin: User
) -> None:
    client.force_login(admin)
    rank_groups(taught, labeler, 9)
    assert "So far there are 9." in client.get("/projects/kitchen/").content.decode()
    rank_groups(taught, labeler, 1)
    assert "as soon as the worker is free" in client.get("/projects/kitchen/").content.decode()


def test_another_model_is_read_from_the_start(followed: Project, tmp_path: Path) -> None:
    before = LiveHead.objects.get(project=followed)
    moved = tmp_path / "moved"
    shutil.copytree(before.base_model, moved)
    followed.policyversions.update(base_model=str(moved))
    LiveHead.objects.update(last_ranking_id=0, recipe={"layer": 99})
    follow(followed)
    live = LiveHead.objects.get(project=followed)
    assert (live.base_model, live.failure_reason) == (str(moved), "")
    assert live.recipe["layer"] == before.recipe["layer"]


def test_it_says_of_groups_that_nobody_ranked_what_it_expects(followed: Project) -> None:
    waiting = list(unranked(followed))
    assert len(waiting) == 4
    for group in waiting:
        texts = [answer.text for answer in group.answers.all()]
        assert group.expected is not None
        best = group.expected.index(max(group.expected))
        assert texts[best] == max(texts, key=lambda text: likes_later_letters([], text))


def test_of_every_group_it_says_what_it_expects_however_many_wait(
    followed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_head, "EXPECTED_AT_ONCE", 3)
    unranked(followed).update(expected=None)
    for _turn in range(2):
        assert is_behind(followed)
        follow(followed)
    assert not is_behind(followed)
    assert not unranked(followed).filter(expected__isnull=True).exists()


def test_it_learns_from_the_half_that_a_training_would(followed: Project) -> None:
    [before] = LiveHead.objects.get(project=followed).history
    followed.reward_settings = {"half": 1}
    followed.save()
    LiveHead.objects.update(last_ranking_id=0)
    follow(followed)
    [now] = LiveHead.objects.get(project=followed).history
    assert 0 < now["pairs"] < before["pairs"]


def test_where_its_half_is_too_small_to_learn_from_it_rests(taught: Project, labeler: User) -> None:
    rank_groups(taught, labeler, 16)
    follow(taught)
    taught.reward_settings, taught.queue_target = {"half": 2}, 2
    taught.save()
    answer_everything(taught)
    LiveHead.objects.update(last_ranking_id=0)
    follow(taught)
    assert not is_behind(taught)


def test_what_was_read_is_not_read_again(followed: Project, labeler: User) -> None:
    before = kept_files()
    rank_everything(followed, [labeler], likes_later_letters, 0.0, random.Random(0))
    follow(followed)
    assert kept_files() == before


def test_the_training_that_makes_a_version_reads_nothing_again(followed: Project) -> None:
    before = kept_files()
    run = start_reward_run(followed)
    supervise_run(run.pk)
    run.refresh_from_db()
    assert run.produced_reward_model is not None, run.reason
    assert kept_files() == before
    live = LiveHead.objects.get(project=followed)
    assert live.verdict is not None
    made = run.produced_reward_model.metrics["heldout"]
    assert made["log_loss"] == pytest.approx(live.verdict["values"]["loss"], abs=1e-4)


def test_files_that_were_deleted_or_damaged_are_read_again(followed: Project) -> None:
    files = [path for path, _ in kept_files()]
    files[0].unlink()
    files[1].write_bytes(b"nothing")
    LiveHead.objects.update(last_ranking_id=0)
    follow(followed)
    assert [path for path, _ in kept_files()] == files
    assert len(LiveHead.objects.get(project=followed).history) == 1


def test_it_is_not_behind_before_there_is_anything_to_learn_from(
    taught: Project, labeler: User
) -> None:
    rank_groups(taught, labeler, 9)
    assert not is_behind(taught)


def test_a_model_that_is_gone_is_said_and_tried_again_later(
    learnable: Project, tmp_path: Path
) -> None:
    learnable.policyversions.update(base_model=str(tmp_path / "gone"))
    assert not follow_rankings(learnable)
    live = LiveHead.objects.get(project=learnable)
    assert "gone" in live.failure_reason
    assert not is_behind(learnable)
    LiveHead.objects.update(followed_at=timezone.now() - RETRY_AFTER[0])
    assert is_behind(learnable)


def test_beside_a_policy_with_an_adapter_it_rests_between_two_loads_of_the_base(
    followed: Project, labeler: User
) -> None:
    followed.policyversions.update(path="models/kitchen/1")
    rank_everything(followed, [labeler], likes_later_letters, 0.0, random.Random(0))
    assert not is_behind(followed)
    LiveHead.objects.update(followed_at=timezone.now() - RELOADS_REST)
    assert is_behind(followed)


def test_the_page_of_the_loop_shows_it(client: Client, followed: Project, admin: User) -> None:
    client.force_login(admin)
    page = client.get("/projects/kitchen/").content.decode()
    assert "What the rankings teach so far" in page
    assert "On held-out prompts:" in page


@pytest.mark.parametrize("shown", [True, False])
def test_a_labeler_reads_what_was_expected_where_the_project_allows_it(
    *, shown: bool, client: Client, followed: Project, labeler: User
) -> None:
    followed.shows_expectation = shown
    followed.save()
    client.force_login(labeler)
    path = "/projects/kitchen/rank/"
    assert "expected" not in client.get(path).content.decode().replace('id="expected"', "")
    sent: dict[str, Any] = form_of(client, followed, labeler)
    answer = client.post(path, sent, headers={"accept": "application/json"})
    said = json.loads(answer.content)["expected"]
    assert ("of 15 comparisons" in said) is shown


def test_a_long_history_keeps_its_ends_and_loses_every_other_old_point() -> None:
    points = [{"rankings": n} for n in range(201)]
    kept = thinned(points)
    assert len(kept) < 201
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert thinned(points[:200]) == points[:200]
