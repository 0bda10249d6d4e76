"""A version's card, its files, and what served when."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from pytest_django import Settings

from annotation.models import PolicyVersion, Project, User
from rewardmodel.models import Promotion, TrainingRun
from rewardmodel.services import start_reward_run
from rewardmodel.services.promotion import let_serve
from tests.annotation.desk import rank
from tests.pages.conftest import As
from tests.pages.desk import seen
from tests.people import champion, ready_group


@pytest.fixture(autouse=True)
def _var_folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_FOLDER = tmp_path


@pytest.fixture
def taught(project: Project, tmp_path: Path) -> PolicyVersion:
    """A policy with an adapter's files."""
    folder = tmp_path / "models" / "kitchen" / "1-x"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"weights" * 100)
    return PolicyVersion.objects.create(
        project=project,
        number=1,
        parent=champion(project),
        base_model="b",
        path="models/kitchen/1-x",
        sha256="0" * 64,
        metrics={"parent": {"reward": 0.25}, "new": {"reward": 0.75}, "steps": 16},
        provenance={"commit": "c" * 40, "config": {"beta": 0.05}, "libraries": {"torch": "2"}},
        samples=[sample("Little?", 0.1, 0.2), sample("Much?", 0.1, 0.9)],
    )


def sample(question: str, before: float, after: float) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": question}],
        **{"before": "So.", "after": "Thus.", "score_before": before, "score_after": after},
    }


def page(project: Project, name: str = "version", kind: str = "policy", number: int = 1) -> str:
    return reverse(name, args=[project.slug, kind, number])


@pytest.mark.parametrize("name", ["version", "version_archive"])
def test_only_a_projects_admins_see_versions_and_their_files(
    as_: As, project: Project, taught: PolicyVersion, stranger: User, labeler: User, name: str
) -> None:
    assert as_(stranger).get(page(project, name)).status_code == 404
    assert as_(labeler).get(page(project, name)).status_code == 403


def test_a_card_compares_with_the_parent_and_shows_what_changed_most_first(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    response = as_(owner).get(page(project))
    assert response.context["compared"] == [("mean reward", ["0.250", "0.750", "0.500"])]
    html = seen(response.content.decode())
    assert html.index("Much?") < html.index("Little?")
    assert "PeftModel.from_pretrained" in html


def test_the_archive_holds_the_files_and_a_model_card(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    content = as_(owner).get(page(project, "version_archive")).getvalue()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
        card = archive.extractfile("kitchen-policy-1/README.md")
        weights = archive.extractfile("kitchen-policy-1/adapter_model.safetensors")
        assert card is not None
        assert weights is not None
        assert weights.read() == b"weights" * 100
        text = card.read().decode()
    assert sorted(names) == [
        f"kitchen-policy-1/{name}"
        for name in ("README.md", "adapter_config.json", "adapter_model.safetensors")
    ]
    assert text.startswith('---\nbase_model: "b"\nlibrary_name: "peft"')
    assert '"beta": 0.05' in text


@pytest.mark.parametrize(("kind", "number"), [("policy", 9), ("reward", 1), ("other", 1)])
def test_versions_that_are_not_there_are_not_found(
    as_: As, project: Project, taught: PolicyVersion, owner: User, kind: str, number: int
) -> None:
    assert as_(owner).get(page(project, "version", kind, number)).status_code == 404


def test_the_base_model_has_a_card_but_no_files_of_its_own(
    as_: As, project: Project, owner: User
) -> None:
    assert as_(owner).get(page(project, number=0)).status_code == 200
    assert as_(owner).get(page(project, "version_archive", number=0)).status_code == 404


def test_the_family_tree_stands_over_the_versions(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    PolicyVersion.objects.create(project=project, number=2, parent=taught, base_model="b")
    [root] = as_(owner).get(reverse("versions", args=[project.slug])).context["family"]
    [child] = root.children
    assert [each.policy.number for each in (root, child, *child.children)] == [0, 1, 2]


def test_who_let_a_version_serve_and_when_is_kept(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    let_serve(taught)
    base = project.policyversions.get(number=0)
    as_(owner).post(reverse("serve", args=[project.slug, "policy", base.pk]))
    back, first = Promotion.objects.all()
    assert (first.number, first.instead_of, first.by, first.is_rollback) == (1, 0, None, False)
    assert (back.number, back.instead_of, back.by, back.is_rollback) == (0, 1, owner, True)
    html = seen(as_(owner).get(page(project)).content.decode())
    assert "instead of 1, by owner" in html
    assert "rolled back" in html


def test_a_version_that_serves_already_is_no_promotion(project: Project) -> None:
    let_serve(champion(project))
    assert not Promotion.objects.exists()


def test_a_reward_models_card_names_the_policies_that_it_taught(
    as_: As, project: Project, taught: PolicyVersion, owner: User, labeler: User
) -> None:
    ready_group(project)
    rank(project, labeler)
    run = start_reward_run(project)
    made = project.rewardmodelversions.create(number=1, snapshot=run.snapshot, base_model="b")
    TrainingRun.objects.update(status="succeeded", reward_model=made, produced_policy=taught)
    html = as_(owner).get(page(project, kind="reward")).content.decode()
    assert page(project, "version", "policy", 1) in html


def test_what_a_reward_model_taught_that_was_rolled_back_is_marked(
    as_: As, project: Project, taught: PolicyVersion, owner: User, labeler: User
) -> None:
    ready_group(project)
    rank(project, labeler)
    run = start_reward_run(project)
    first, second = (
        project.rewardmodelversions.create(number=number, snapshot=run.snapshot, base_model="b")
        for number in (1, 2)
    )
    TrainingRun.objects.update(status="succeeded", reward_model=second, produced_policy=taught)
    mark = "which was rolled back"
    let_serve(first)
    let_serve(second)
    assert mark not in as_(owner).get(page(project)).content.decode()
    let_serve(first, by=owner)
    for address in (page(project), reverse("versions", args=[project.slug])):
        assert mark in as_(owner).get(address).content.decode()
    let_serve(second, by=owner)
    assert mark not in as_(owner).get(page(project)).content.decode()


def test_the_command_copies_a_version_with_its_card(
    project: Project, taught: PolicyVersion, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    call_command("publish", "kitchen", "policy", "1", str(target))
    assert (target / "adapter_model.safetensors").read_bytes() == b"weights" * 100
    assert "kitchen" in (target / "README.md").read_text().lower()
    with pytest.raises(CommandError, match="exists already"):
        call_command("publish", "kitchen", "policy", "1", str(target))
    with pytest.raises(CommandError, match="no files of its own"):
        call_command("publish", "kitchen", "policy", "0", str(tmp_path / "base"))


def test_a_merged_copy_loads_in_plain_transformers(
    project: Project, tiny_model: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    project.policyversions.update(base_model=str(tiny_model))
    call_command("publish", "kitchen", "policy", "0", str(tmp_path / "whole"), merge=True)
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "whole").num_parameters() > 0
    assert AutoTokenizer.from_pretrained(tmp_path / "whole").chat_template


def test_a_version_gets_a_label_that_stands_wherever_it_is_named(
    as_: As, taught: PolicyVersion, owner: User
) -> None:
    project, browser = taught.project, as_(owner)
    browser.post(page(project, "version_label"), {"label": "  best\nfor support "})
    taught.refresh_from_db()
    assert taught.label == "best for support"
    for name in ("versions", "comparisons", "word_chain", "project_settings"):
        html = browser.get(reverse(name, args=[project.slug])).content.decode()
        assert "best for support" in html, name
    assert "best for support" in browser.get(page(project)).content.decode()


def test_a_reward_model_gets_one_too(as_: As, project: Project, owner: User, labeler: User) -> None:
    ready_group(project)
    rank(project, labeler)
    snapshot = start_reward_run(project).snapshot
    made = project.rewardmodelversions.create(number=1, snapshot=snapshot, base_model="b")
    as_(owner).post(page(project, "version_label", "reward"), {"label": "strict"})
    made.refresh_from_db()
    assert made.label == "strict"


def test_a_label_that_is_too_long_is_refused(as_: As, taught: PolicyVersion, owner: User) -> None:
    sent = {"label": "x" * 41}
    html = as_(owner).post(page(taught.project, "version_label"), sent, follow=True)
    assert "at most 40 characters" in html.content.decode()
    taught.refresh_from_db()
    assert taught.label == ""


def test_nobody_but_admins_labels(
    as_: As, taught: PolicyVersion, labeler: User, stranger: User
) -> None:
    path = page(taught.project, "version_label")
    assert as_(labeler).post(path, {"label": "x"}).status_code == 403
    assert as_(stranger).post(path, {"label": "x"}).status_code == 404
