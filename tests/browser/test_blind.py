"""Labelers are blind: nothing that their browser receives tells which model wrote an answer."""

import json
import re

from playwright.sync_api import Response, expect

from annotation.models import Project, Ranking, User
from tests.browser.conftest import Visit
from tests.people import ready_group

SECRETS = ("secret-model-7b", "adapter-91", "918273", "765432", "finish", "token_count", "sampling")


def test_a_whole_ranking_tells_nothing_of_the_model_or_the_order(
    visit: Visit, transactional_db: None, project: Project, labeler: User
) -> None:
    project.policyversions.update(base_model="secret-model-7b", path="adapter-91")
    for question in ("How do I boil an egg?", "Why is the sky blue?"):
        group = ready_group(project, question)
        for answer in group.answers.all():
            answer.seed, answer.token_count = 918273 + answer.position, 765432
            answer.text = f"{question} {'abc'[answer.position]}"
            answer.save()
    received: list[str] = []

    def read(response: Response) -> None:
        text = "" if response.status in {204, 302} else response.text()
        received.append(f"{response.url} {json.dumps(response.headers)} {text}")

    window = visit(labeler)
    window.on("response", read)
    window.goto(f"/projects/{project.slug}/rank/")
    for key in ("1", "Space", "2", "Space", "3", "Space"):
        window.keyboard.press(key)
    expect(window.get_by_text("Draft saved")).to_be_visible()
    window.keyboard.press("Enter")
    expect(window.get_by_text("Why is the sky blue?").first).to_be_visible()
    window.get_by_role("button", name="Undo the last ranking").click()
    expect(window.get_by_text("Undone.")).to_be_visible()
    window.get_by_role("link", name="My rankings").click()
    expect(window.get_by_role("heading", name="My rankings")).to_be_visible()
    everything = "\n".join(received)
    assert len(received) >= 8
    for secret in SECRETS:
        own_words = [line for line in received if "/static/" not in line.split()[0]]
        assert all(secret not in line for line in own_words), secret
    assert "polic" not in everything.lower().replace("security-policy", "").replace(
        "opener-policy", ""
    ).replace("referrer-policy", "")
    ranking = Ranking.objects.get()
    pages = [line for line in received if "/rank/" in line.split()[0] and "prose" in line]
    seen = [re.findall(r"<p>How do I boil an egg\? ([abc])</p>", page) for page in pages]
    shown = ["abc"[position] for position in ranking.shown_order]
    assert [order for order in seen if order] == [shown] * len([order for order in seen if order])
