"""A version's card, its files, and what served when."""

import base64
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from annotation.models import Comparison, PolicyVersion, Project, User
from annotation.services.jobs import NO_ROOM, NotHeld, Progress, cancel
from annotation.services.snapshots import take_named_snapshot
from config import space
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Verdict, as_json
from rewardmodel.model_card import DISTIL, model_card
from rewardmodel.models import Promotion, Rejection, RewardModelVersion, TrainingRun
from rewardmodel.selectors import SHOWN_PROMOTIONS
from rewardmodel.services import merging, start_reward_run
from rewardmodel.services.merging import ask_for_merged, merge_next, write_merged
from rewardmodel.services.promotion import let_serve
from rewardmodel.templatetags.metrics import Table
from tests.annotation.desk import rank
from tests.pages.conftest import As
from tests.pages.desk import seen
from tests.pages.test_api import Api
from tests.people import champion, ready_group, serving_reward_model


@pytest.fixture(autouse=True)
def _var_folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_FOLDER = tmp_path


DOUBTED = {"before": 0.1, "after": 0.5, "gain": 0.4, "low": -0.1, "high": 0.9, "doubt": 0.2}


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
        metrics={
            **{"parent": {"reward": 0.25}, "new": {"reward": 0.75}, "steps": 16},
            "intervals": {"reward": [0.125, 0.875]},
        },
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


def leave_a_sample(project: Project, **said: Any) -> None:
    """In the result of the project's run: two answers, and what is said of them."""
    asked = [{"role": "user", "content": "Eggs?"}]
    sample = {"prompt": asked, "answers": ["Raw.", "Boiled."], **said}
    run = project.runs.get()
    run.folder.mkdir(parents=True)
    (run.folder / "result.json").write_text(json.dumps({"samples": [sample]}))


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
    assert response.context["compared"] == Table(
        ["Before", "After", "Difference", "99 % interval"],
        [("mean reward", ["0.250", "0.750", "0.500", "0.125 – 0.875"])],
    )
    html = seen(response.content.decode())
    assert html.index("Much?") < html.index("Little?")
    assert "PeftModel.from_pretrained" in html


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "a deviation of 0.300. Over prompts alone the interval is 0.250 – 0.750."),
        ("zh-hans", "标准差为 0.300。仅就提示词而言，区间为 0.250 – 0.750。"),
    ],
)
def test_a_card_says_how_unsure_the_reward_model_is_of_the_gain(
    as_: As, project: Project, taught: PolicyVersion, owner: User, language: str, said: str
) -> None:
    taught.metrics |= {"gain_deviation": 0.3, "gain_over_prompts": [0.25, 0.75]}
    taught.save()
    response = as_(owner).get(page(project), headers={"accept-language": language})
    assert said in response.content.decode()
    assert "gain_deviation" not in response.context["metrics"]
    assert "| gain_deviation | 0.3 |" in model_card(taught)


def test_a_card_says_nothing_of_doubt_where_the_reward_model_has_no_posterior(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    assert "the reward model may be wrong" not in as_(owner).get(page(project)).content.decode()


def test_what_a_model_wrote_while_it_learned_from_text_stands_on_both_pages(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    written = {"step": 20, "loss": 2.5, "prompt": "The egg", "text": " is in <the> pot."}
    PolicyVersion.objects.filter(pk=taught.pk).update(samples=[written])
    for url in (page(project), reverse("versions", args=[project.slug])):
        html = as_(owner).get(url).content.decode()
        assert "What it wrote along the way" in html
        assert "After step 20" in html
        assert " is in &lt;the&gt; pot." in html


def test_a_model_without_a_parent_shows_its_figures(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    PolicyVersion.objects.filter(pk=taught.pk).update(
        metrics={"parent": None, "new": {"loss": 1.25, "perplexity": 3.5}}
    )
    html = seen(as_(owner).get(page(project)).content.decode())
    assert "1.25" in html
    assert "3.50" in html


@pytest.mark.parametrize(
    ("code", "values", "said"),
    [
        (Code.LANGUAGE_GAIN, {"before": 3.0, "after": 2.0}, "passed"),
        (Code.LANGUAGE_NO_GAIN, {"before": 2.0, "after": 3.0}, "failed"),
        (Code.NO_HELDOUT_PROMPTS, {}, "not decided yet"),
        (Code.POLICY_DOUBTED, DOUBTED, "not decided yet"),
    ],
)
def test_what_a_gate_said_stands_there_in_one_word(
    as_: As,
    project: Project,
    taught: PolicyVersion,
    owner: User,
    code: Code,
    values: dict[str, float],
    said: str,
) -> None:
    PolicyVersion.objects.update(gate_reason=as_json(Verdict(code, values)), status="retired")
    for url in (page(project), reverse("versions", args=[project.slug])):
        assert f">{said}</span> " in as_(owner).get(url).content.decode()


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


@pytest.fixture
def learned(taught: PolicyVersion, labeler: User) -> RewardModelVersion:
    """A reward model that a run made on the taught policy, of one ranking."""
    ready_group(taught.project)
    rank(taught.project, labeler)
    run = start_reward_run(taught.project)
    made = RewardModelVersion.objects.create(
        project=taught.project, number=1, snapshot=run.snapshot, base_model="b"
    )
    TrainingRun.objects.update(status="succeeded", policy=taught, produced_reward_model=made)
    return made


def test_reward_models_stand_in_the_family_tree_under_their_snapshots_and_comparisons_beside(
    as_: As, project: Project, learned: RewardModelVersion, owner: User
) -> None:
    policy = project.policyversions.get(number=1)
    met = Comparison.objects.create(project=project, first=champion(project), second=policy)
    response = as_(owner).get(reverse("versions", args=[project.slug]))
    [root] = response.context["family"]
    [child] = root.children
    assert (child.reward_models, child.comparisons) == ([learned], [met])
    tree = response.content.decode().split("Policies</h2>")[0]
    snapshot = reverse("snapshot", args=[project.slug, learned.snapshot_id])
    assert tree.index(snapshot) < tree.index(page(project, kind="reward"))
    assert reverse("comparison", args=[project.slug, met.pk]) in tree


def test_a_policys_card_links_its_comparisons_and_the_reward_models_that_read_it(
    as_: As, project: Project, learned: RewardModelVersion, owner: User
) -> None:
    policy = project.policyversions.get(number=1)
    met = Comparison.objects.create(
        project=project, first=champion(project), second=policy, status="second"
    )
    html = as_(owner).get(page(project)).content.decode()
    assert reverse("comparison", args=[project.slug, met.pk]) in html
    assert "the second is preferred" in html
    assert page(project, kind="reward") in html


def test_a_card_leads_to_the_snapshot_which_has_a_data_card_without_a_name(
    as_: As, project: Project, learned: RewardModelVersion, owner: User
) -> None:
    browser = as_(owner)
    address = reverse("snapshot", args=[project.slug, learned.snapshot_id])
    assert address in browser.get(page(project, kind="reward")).content.decode()
    assert browser.get(address).context["card"]["rankings"] == 1


def test_a_reward_models_card_shows_what_it_makes_of_answers_beside_peoples_ranks(
    as_: As, project: Project, learned: RewardModelVersion, owner: User
) -> None:
    leave_a_sample(project, rankings=[[2, 1], [1, None]], rewards=[-1.0, 1.0])
    response = as_(owner).get(page(project, kind="reward"))
    [(_, answers)] = response.context["judged"]
    assert [(each.text, each.ranks) for each in answers] == [
        ("Boiled.", [1, None]),
        ("Raw.", [2, 1]),
    ]
    html = seen(response.content.decode())
    assert html.index("Eggs?") < html.index("Boiled.") < html.index("Raw.")


def test_a_reward_models_card_compares_with_what_served_before_with_intervals(
    as_: As, project: Project, learned: RewardModelVersion, owner: User
) -> None:
    learned.metrics = {
        "heldout": {"pairs": 40, "accuracy": 0.75, "log_loss": 0.5},
        "served": {"pairs": 40, "accuracy": 0.625, "log_loss": 0.625},
        "intervals": {"accuracy": [0.625, 0.875], "log_loss": [0.25, 0.75]},
        "changes": {"accuracy": [-0.125, 0.375], "log_loss": [-0.25, 0.125]},
    }
    learned.save()
    response = as_(owner).get(page(project, kind="reward"))
    interval = "99 % interval"
    assert response.context["compared"] == Table(
        ["Before", "After", interval, "Difference", interval],
        [
            ("log loss", ["0.625", "0.500", "0.250 – 0.750", "-0.125", "-0.250 – 0.125"]),
            ("accuracy", ["0.625", "0.750", "0.625 – 0.875", "0.125", "-0.125 – 0.375"]),
        ],
    )
    assert "what served before, and this one" in seen(response.content.decode())


def test_the_first_reward_models_figures_have_intervals_too(
    as_: As, project: Project, learned: RewardModelVersion, owner: User
) -> None:
    learned.metrics = {"heldout": {"accuracy": 0.75}, "intervals": {"accuracy": [0.5, 1.0]}}
    learned.save()
    compared = as_(owner).get(page(project, kind="reward")).context["compared"]
    expected = [("accuracy", ["0.750", "0.500 – 1.00"])]
    assert compared == Table(["After", "99 % interval"], expected)


def test_a_reward_models_card_says_what_the_one_before_made_of_the_same_answers(
    as_: As, project: Project, learned: RewardModelVersion, owner: User
) -> None:
    leave_a_sample(project, rankings=[[2, 1]], rewards=[-1.0, 1.0], rewards_before=[0.5, -0.25])
    response = as_(owner).get(page(project, kind="reward"))
    [(_, answers)] = response.context["judged"]
    assert [(each.text, each.reward, each.before) for each in answers] == [
        ("Boiled.", 1.0, -0.25),
        ("Raw.", -1.0, 0.5),
    ]
    assert "in brackets, what served before" in seen(response.content.decode())


def test_when_a_version_served_is_found_however_many_others_served_since(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    let_serve(taught, by=owner)
    others = [Promotion(project=project, kind="policy", number=7) for _ in range(SHOWN_PROMOTIONS)]
    Promotion.objects.bulk_create(others)
    [found] = as_(owner).get(page(project)).context["promotions"]
    assert (found.number, found.by) == (1, owner)


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


def test_an_admin_rejects_a_candidate_with_one_click_and_that_is_kept(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    browser = as_(owner)
    address = page(project, "version_reject")
    assert address in browser.get(page(project)).content.decode()
    browser.post(address)
    taught.refresh_from_db()
    assert (taught.status, Rejection.objects.get().by) == ("rejected", owner)
    html = browser.get(page(project)).content.decode()
    assert "by owner" in html
    assert address not in html


def test_a_version_that_serves_is_not_rejected(as_: As, project: Project, owner: User) -> None:
    as_(owner).post(page(project, "version_reject", number=0))
    assert champion(project).number == 0
    assert not Rejection.objects.exists()


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
    PolicyVersion.objects.create(project=project, number=2, parent=taught, base_model="b")
    descends = "taught by a reward model that was rolled back"
    assert descends in as_(owner).get(page(project, number=2)).content.decode()
    assert descends not in as_(owner).get(page(project, number=0)).content.decode()
    html = as_(owner).get(reverse("versions", args=[project.slug])).content.decode()
    assert html.count(descends) == 2
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


class Hub(BaseHTTPRequestHandler):
    """As much of a hub's protocol as a push of small files takes."""

    commits: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer hf_may_write":
            return self._answer(401, {"error": "Invalid user token."})
        if self.path == "/api/repos/create":
            return self._answer(200, {"url": f"http://{self.headers['Host']}/me/egg"})
        if self.path == "/api/models/me/egg/preupload/main":
            files = [
                {**each, "uploadMode": "regular", "shouldIgnore": False}
                for each in json.loads(sent)["files"]
            ]
            return self._answer(200, {"files": files})
        if self.path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        lines = [json.loads(line) for line in sent.splitlines()]
        type(self).commits += [each["value"] for each in lines if each["key"] == "file"]
        return self._answer(200, {"commitUrl": self.path, "commitOid": "0" * 40})

    def do_GET(self) -> None:
        self._answer(200, {"id": "me/egg", "siblings": []})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    from huggingface_hub import constants

    Hub.commits.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield Hub
    server.shutdown()
    server.server_close()


def test_the_command_pushes_a_version_to_a_hub(
    project: Project, taught: PolicyVersion, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_may_write")
    call_command("publish", "kitchen", "policy", "1", hub="me/egg")
    pushed = {each["path"]: base64.b64decode(each["content"]) for each in hub.commits}
    assert pushed["adapter_model.safetensors"] == b"weights" * 100
    assert pushed["README.md"].startswith(b"---\nbase_model:")


def test_what_cannot_be_pushed_is_said_in_a_sentence(
    project: Project, taught: PolicyVersion, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_may_read")
    with pytest.raises(CommandError, match=r"me/egg cannot be pushed: .*401"):
        call_command("publish", "kitchen", "policy", "1", hub="me/egg")
    with pytest.raises(CommandError, match="is no name on a hub"):
        call_command("publish", "kitchen", "policy", "1", hub="a/b/c")
    with pytest.raises(CommandError, match="Name a folder"):
        call_command("publish", "kitchen", "policy", "1")


def test_a_model_card_says_what_data_it_learned_from_and_the_interval_that_decided(
    project: Project, labeler: User, owner: User
) -> None:
    ready_group(project)
    rank(project, labeler)
    snapshot = take_named_snapshot(project, "groups", "Taken", owner)
    judged = {"loss": 0.5, "accuracy": 0.75, "pairs": 20, "prompts": 10}
    values = {**judged, "low": 0.25, "high": 0.625}
    version = serving_reward_model(
        project,
        base_model="/models/own",
        snapshot=snapshot,
        gate_reason={"code": "reward_learned", "values": values},
    )
    card = model_card(version)
    assert "base_model:" not in card  # a hub takes no folder for one
    assert "| base model | /models/own |" in card
    assert "| rankings | 1 |" in card
    assert "| languages | not said (1) |" in card
    assert "| made in this project | 1 rows |" in card
    assert "| interval by which the gate decided | 0.25 to 0.625 |" in card


def test_a_version_page_names_the_ways_to_other_libraries(
    as_: As, project: Project, taught: PolicyVersion, owner: User, tiny_reward_model: Path
) -> None:
    serving_reward_model(project, path=str(tiny_reward_model))
    policy, reward = (
        as_(owner).get(page(project, kind=kind)).content.decode() for kind in ("policy", "reward")
    )
    assert "Merge it" in policy
    assert f"<code>{DISTIL}</code>" in reward


def test_a_merged_copy_loads_in_plain_transformers(
    project: Project, tiny_model: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    project.policyversions.update(base_model=str(tiny_model))
    call_command("publish", "kitchen", "policy", "0", str(tmp_path / "whole"), merge=True)
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "whole").num_parameters() > 0
    assert AutoTokenizer.from_pretrained(tmp_path / "whole").chat_template


@pytest.fixture
def adapted(taught: PolicyVersion, tiny_model: Path, tmp_path: Path) -> PolicyVersion:
    """With an adapter that loads."""
    from tests.tiny import build_tiny_adapter

    build_tiny_adapter(tiny_model, tmp_path / "models" / "kitchen" / "1-x")
    taught.base_model = str(tiny_model)
    taught.save()
    return taught


def merged(project: Project, *more: object, name: str = "merged") -> str:
    return reverse(name, args=[project.slug, 1, *more])


def test_a_worker_merges_a_version_that_transformers_loads_alone(
    as_: As, project: Project, adapted: PolicyVersion, owner: User, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    browser = as_(owner)
    assert "Merge it" in browser.get(page(project)).content.decode()
    for _ in range(2):  # asked for twice, made once
        browser.post(merged(project))
    assert "waiting" in browser.get(page(project)).content.decode()
    assert merge_next()
    job = project.mergedmodels.get()
    assert (job.status, job.problem) == ("done", "")
    content = browser.get(merged(project, job.pk, name="merged_file")).getvalue()
    assert hashlib.sha256(content).hexdigest() == job.sha256
    link = re.search(
        r"http://testserver(/merged/[^<]+)", browser.get(page(project)).content.decode()
    )
    assert link is not None
    assert Client().get(link[1]).getvalue() == content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    folder = tmp_path / "out" / "kitchen-policy-1-merged"
    assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() > 0
    assert AutoTokenizer.from_pretrained(folder).chat_template
    assert [each.name for each in job.file.parent.iterdir()] == [job.file.name]


def test_a_version_that_cannot_be_merged_says_why(
    as_: As, project: Project, taught: PolicyVersion, owner: User
) -> None:
    as_(owner).post(merged(project))
    assert merge_next()
    assert project.mergedmodels.get().status == "failed"
    html = as_(owner).get(page(project)).content.decode()
    assert "could be loaded from b" in html
    assert "Merge it" in html


def test_only_admins_merge_and_only_an_adapter(
    as_: As, project: Project, taught: PolicyVersion, owner: User, labeler: User, stranger: User
) -> None:
    as_(owner).post(merged(project))
    job = project.mergedmodels.get()
    assert as_(stranger).post(merged(project)).status_code == 404
    assert as_(labeler).post(merged(project)).status_code == 403
    for name in ("merged_file", "merged_cancel", "merged_delete"):
        ask = "get" if name == "merged_file" else "post"
        address = merged(project, job.pk, name=name)
        assert getattr(as_(stranger), ask)(address).status_code == 404
        assert getattr(as_(labeler), ask)(address).status_code == 403
    assert as_(owner).post(reverse("merged", args=["kitchen", 0])).status_code == 404
    as_(owner).post(merged(project, job.pk, name="merged_cancel"))
    assert not merge_next()


def test_programs_have_a_version_merged(
    project: Project, adapted: PolicyVersion, owner: User
) -> None:
    api, address = Api(owner), "/projects/kitchen/versions/policy/1/merged"
    assert api.get(address).status_code == 404
    assert api.post(address, {}).json()["status"] == "waiting"
    assert merge_next()
    made = api.get(address).json()
    assert (made["status"], made["size"] > 0) == ("done", True)
    assert hashlib.sha256(Client().get(made["link"]).getvalue()).hexdigest() == made["sha256"]
    assert api.post("/projects/kitchen/versions/policy/0/merged", {}).status_code == 404


@pytest.mark.parametrize("is_late", [True, False])
def test_one_whose_week_is_over_or_whose_file_is_gone_is_made_again(
    project: Project, adapted: PolicyVersion, owner: User, is_late: bool
) -> None:
    old = adapted.merged.create(project=project, status="done", finished_at=timezone.now())
    if is_late:
        old.file.parent.mkdir()
        old.file.touch()
        adapted.merged.update(finished_at=timezone.now() - old.KEPT)
    api, address = Api(owner), "/projects/kitchen/versions/policy/1/merged"
    assert api.get(address).status_code == 404
    assert api.post(address, {}).json()["status"] == "waiting"


def test_where_the_disk_has_no_room_nothing_is_merged(
    project: Project, adapted: PolicyVersion, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "RESERVE", space.free_bytes())
    job = ask_for_merged(adapted, owner)
    assert merge_next()
    job.refresh_from_db()
    assert (job.status, job.problem) == ("failed", NO_ROOM)
    assert list(job.file.parent.iterdir()) == []


def test_a_cancelled_merge_ends_and_leaves_nothing(
    project: Project, adapted: PolicyVersion, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask_for_merged(adapted, owner)

    def write_and_cancel(*given: Any, **more: Any) -> None:
        write_merged(*given, **more)
        cancel(job)

    monkeypatch.setattr(merging, "write_merged", write_and_cancel)
    assert merge_next()
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert list(job.file.parent.iterdir()) == []


def test_a_merge_that_another_took_over_is_read_no_further() -> None:
    with pytest.raises(NotHeld):
        Progress(is_lost=True).require()


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
