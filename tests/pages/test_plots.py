"""What stands behind a version's and a run's figures is drawn, and can be read and taken out."""

import csv
import io
import re
from typing import Any
from urllib.parse import urljoin

import pytest
from django.urls import reverse

from annotation.models import PolicyVersion, Project, Snapshot, User
from rewardmodel.models import LiveHead, RewardModelVersion, TrainingRun
from tests.pages.conftest import As
from tests.people import champion

ANSWERS = {
    "parent": {"score": [-1.0, 0.0, 0.5, 1.0], "tokens": [10, 20, 30, 40]},
    "new": {"score": [0.5, 1.0, 1.5, 3.0], "tokens": [11, 12, 13, 64]},
}
JUDGED = {
    "parent": {"reward": 0.25, "kl": 0.0},
    "new": {"reward": 0.75, "kl": 2.5},
    "answers": ANSWERS,
}
BEST_OF = {
    "algorithm": "best_of_n",
    "by_n": [
        {"n": 1, "reward": 0.25, "divergence_bound": 0.0},
        {"n": 4, "reward": 1.25, "divergence_bound": 0.64},
    ],
}
BINS = [
    {"low": 0.5, "high": 0.55, "pairs": 0, "confidence": None, "accuracy": None},
    {"low": 0.7, "high": 0.75, "pairs": 12, "confidence": 0.75, "accuracy": 0.5},
]
CURVE = [
    {"groups": 12, "log_loss": 0.69, "accuracy": 0.5},
    {"groups": 25, "log_loss": None, "accuracy": None},
    {"groups": 50, "log_loss": 0.5, "accuracy": 0.75},
]


@pytest.fixture
def snapshot(project: Project) -> Snapshot:
    return Snapshot.objects.create(project=project, kind="groups", sha256="0" * 64, rows=1)


@pytest.fixture
def reward_model(project: Project, snapshot: Snapshot) -> RewardModelVersion:
    return RewardModelVersion.objects.create(
        project=project,
        number=1,
        base_model="b",
        snapshot=snapshot,
        metrics={"reliability": BINS, "learning_curve": CURVE},
    )


@pytest.fixture
def taught(project: Project, snapshot: Snapshot, reward_model: RewardModelVersion) -> PolicyVersion:
    """Two rounds, and a report of best of n."""
    parent = champion(project)
    of_run = {"project": project, "kind": "policy", "status": "succeeded", "snapshot": snapshot}
    of_run |= {"reward_model": reward_model}
    for number in (1, 2):
        made = PolicyVersion.objects.create(
            project=project, number=number, parent=parent, base_model="b", metrics=JUDGED
        )
        TrainingRun.objects.create(**of_run, policy=parent, produced_policy=made, metrics=JUDGED)
        parent = made
    TrainingRun.objects.create(**of_run, policy=parent, metrics=BEST_OF)
    return parent


def card(project: Project, kind: str, number: int) -> str:
    return reverse("version", args=[project.slug, kind, number])


def rows(browser: Any, project: Project, name: str, kind: str = "policy", number: int = 2) -> Any:
    path = reverse("version_plot", args=[project.slug, kind, number, name])
    response = browser.get(path)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def test_a_policy_s_card_draws_its_answers_and_the_frontier(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    html = as_(owner).get(card(project, "policy", 2)).content.decode()
    for title in (
        "Rewards of the held-out answers",
        "Reward against length",
        "Reward against divergence, over the rounds",
    ):
        assert f"<figcaption>{title}</figcaption>" in html
    assert 'href="plots/rewards.csv"' in html
    assert "best of n, at most so far away" in html


def test_the_distribution_is_of_all_answers_in_bins_that_both_share(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    found = rows(as_(owner), project, "rewards")
    assert len(found) == 16
    assert float(found[0]["from"]) == -1.0
    assert float(found[-1]["to"]) == 3.0
    for name in ("parent", "new"):
        assert sum(float(row[name]) for row in found) == pytest.approx(1)
    assert float(found[0]["parent"]) == 0.25
    assert float(found[-1]["new"]) == 0.25


def test_every_answer_has_its_length_beside_its_reward(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    found = rows(as_(owner), project, "length")
    assert found[0] == {"version": "parent", "tokens": "10", "reward": "-1.0"}
    assert found[-1] == {"version": "new", "tokens": "64", "reward": "3.0"}
    assert len(found) == 8


def test_the_frontier_has_both_ends_of_each_round_and_best_of_n_beside_them(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    found = rows(as_(owner), project, "frontier")
    assert [row["version"] for row in found] == [
        *("policy 0", "policy 1", "policy 1", "policy 2"),
        *("best of 1", "best of 4"),
    ]
    assert found[1] == {"version": "policy 1", "reward_model": "1", "kl": "2.5", "reward": "0.75"}
    assert found[-1] == {
        **{"version": "best of 4", "reward_model": "1"},
        **{"kl": "0.64", "reward": "1.25"},
    }


def test_a_reward_model_s_card_draws_how_sure_it_is_and_what_it_learned_from_how_much(
    as_: As, project: Project, reward_model: RewardModelVersion, owner: User
) -> None:
    browser = as_(owner)
    html = browser.get(card(project, "reward", 1)).content.decode()
    assert "As sure as it is right?" in html
    assert "Held-out loss against ranked groups" in html
    [sure] = rows(browser, project, "calibration", "reward", 1)
    assert sure == {"confidence": "0.75", "accuracy": "0.5", "pairs": "12"}
    learned = rows(browser, project, "learning", "reward", 1)
    assert [row["groups"] for row in learned] == ["12", "50"]


def test_the_loss_by_the_number_of_rankings_is_a_table_and_a_csv_file(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    browser, path = as_(owner), reverse("live_plot", args=[project.slug, "live-log_loss"])
    assert browser.get(path).status_code == 404
    points = [
        {"rankings": n, "accuracy": 0.5, "log_loss": 0.6, "calibration_error": 0.1, "pairs": 3 * n}
        for n in (10, 20)
    ]
    LiveHead.objects.create(project=project, base_model="b", rankings=20, history=points)
    lines = browser.get(path).content.decode().splitlines()
    assert lines == ["rankings,log_loss", "10,0.6", "20,0.6"]
    address = reverse("project", args=[project.slug])
    page = browser.get(address).content.decode()
    links = {urljoin(address, link) for link in re.findall(r'href="([^"]*\.csv)"', page)}
    names = ("live-accuracy", "live-log_loss", "live-calibration_error")
    assert links == {reverse("live_plot", args=[project.slug, name]) for name in names}
    assert '<td class="number">0.600</td>' in page
    assert as_(labeler).get(path).status_code == 403


def test_from_three_points_on_a_fitted_curve_leads_to_twice_as_many_rankings(
    as_: As, project: Project, owner: User
) -> None:
    points = [
        {"rankings": n, "accuracy": 0.7, "log_loss": 0.5 + n**-0.5, "calibration_error": 0.1}
        for n in (16, 36, 64)
    ]
    history = [{**point, "pairs": 100} for point in points]
    LiveHead.objects.create(project=project, base_model="b", rankings=64, history=history)
    browser, path = as_(owner), reverse("live_plot", args=[project.slug, "live-log_loss"])
    found = list(csv.DictReader(io.StringIO(browser.get(path).content.decode())))
    assert [row["rankings"] for row in found] == ["16", "36", "64", "128"]
    fitted = [float(row["fitted"]) for row in found]
    assert fitted == pytest.approx([0.5 + n**-0.5 for n in (16, 36, 64, 128)])
    assert found[-1]["log_loss"] == ""
    page = browser.get(reverse("project", args=[project.slug]))
    assert "Dashed: 0.500 + 1.00 / √n" in page.content.decode()


def test_a_run_draws_what_it_reported_itself(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    report = TrainingRun.objects.get(produced_policy=None)
    browser = as_(owner)
    html = browser.get(reverse("run", args=[project.slug, report.pk])).content.decode()
    assert "Reward of the best of n" in html
    path = reverse("run_plot", args=[project.slug, report.pk, "best-of-n"])
    assert b"best of 4,,0.64,1.25" in browser.get(path).content


def test_what_has_nothing_to_show_draws_nothing(as_: As, project: Project, owner: User) -> None:
    html = as_(owner).get(card(project, "policy", 0)).content.decode()
    assert "Behind the figures" not in html


def test_a_long_table_ends_and_says_so(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    many = {"score": [0.1 * n for n in range(60)], "tokens": list(range(60))}
    taught.metrics = {**JUDGED, "answers": {"parent": many, "new": many}}
    taught.save()
    html = as_(owner).get(card(project, "policy", 2)).content.decode()
    assert "The CSV file has 70 rows more." in html


def test_a_plot_of_nobody_s_is_not_there(
    as_: As, project: Project, taught: PolicyVersion, owner: User, labeler: User, stranger: User
) -> None:
    paths = [
        reverse("version_plot", args=[project.slug, "policy", 2, "rewards"]),
        reverse("run_plot", args=[project.slug, project.runs.all()[1].pk, "rewards"]),
    ]
    for path in paths:
        assert as_(owner).get(path).status_code == 200
        assert as_(owner).get(path.replace("rewards", "nothing")).status_code == 404
        assert as_(labeler).get(path).status_code == 403
        assert as_(stranger).get(path).status_code == 404


def test_a_card_takes_as_many_queries_whatever_the_number_of_rounds(
    as_: As, project: Project, taught: PolicyVersion, owner: User, django_assert_num_queries: Any
) -> None:
    browser = as_(owner)
    with django_assert_num_queries(13):
        browser.get(card(project, "policy", 2))
    for number in range(3, 9):
        PolicyVersion.objects.create(
            project=project, number=number, parent=champion(project), base_model="b", metrics=JUDGED
        )
    with django_assert_num_queries(13):
        browser.get(card(project, "policy", 2))


def serve(reward_model: RewardModelVersion, **metrics: Any) -> None:
    reward_model.status = "champion"
    reward_model.metrics = metrics
    reward_model.save()


def family_rows(browser: Any, project: Project) -> list[dict[str, str]]:
    path = reverse("family_plot", args=[project.slug, "rewards-by-version"])
    return list(csv.DictReader(io.StringIO(browser.get(path).content.decode())))


def test_all_versions_that_one_reward_model_judged_stand_on_one_axis(
    as_: As, project: Project, taught: PolicyVersion, reward_model: RewardModelVersion, owner: User
) -> None:
    """Version 0 by its ranked answers, 1 and 2 by those of the update from 1 to 2."""
    many = {name: {"score": [0.1 * n for n in range(19)], "tokens": []} for name in ANSWERS}
    other = RewardModelVersion.objects.create(
        project=project, number=2, base_model="b", snapshot=reward_model.snapshot
    )
    taught.metrics = {**JUDGED, "answers": many}
    taught.save()
    serve(reward_model, answers_by_policy={"0": [-1.0] * 5 + [0.0] * 5 + [1.0] * 5, "1": [9.0] * 9})
    browser = as_(owner)
    found = family_rows(browser, project)
    assert [row["version"] for row in found] == ["0", "1", "2"]
    assert [row["from"] for row in found] == ["queue", "policy update", "policy update"]
    assert [row["answers"] for row in found] == ["15", "19", "19"]
    assert float(found[0]["p50"]) == 0.0
    assert [float(found[1][name]) for name in ("p10", "p50", "p90")] == pytest.approx(
        [0.1, 0.9, 1.7]
    )

    page = browser.get(reverse("versions", args=[project.slug])).content.decode()
    assert "Rewards of the versions&#x27; answers, by reward model 1" in page
    TrainingRun.objects.filter(produced_policy=taught).update(reward_model=other)
    serve(reward_model, answers_by_policy={"0": [0.5] * 10, "1": [1.5] * 10})
    assert [row["version"] for row in family_rows(browser, project)] == ["0", "1"]
    page = browser.get(reverse("versions", args=[project.slug])).content.decode()
    assert "It knows too few answers of: 2." in page


def test_what_an_imported_snapshot_calls_a_version_is_none_of_this_project(
    as_: As, project: Project, reward_model: RewardModelVersion, owner: User
) -> None:
    serve(reward_model, answers_by_policy={"0": [0.5] * 10, "1": [1.5] * 10})
    assert len(family_rows(as_(owner), project)) == 2
    Snapshot.objects.update(is_imported=True)
    path = reverse("family_plot", args=[project.slug, "rewards-by-version"])
    assert as_(owner).get(path).status_code == 404
