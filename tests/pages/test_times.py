"""Times name their zone, and a day is the viewer's."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Project, Ranking, User
from tests.pages.conftest import As
from tests.pages.desk import path, submit
from tests.people import ready_group

NOON, EVENING = (datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (12, 20))
In = Callable[[User, str], Client]


@pytest.fixture
def in_zone(as_: As) -> In:
    """A browser whose script has told its zone."""

    def told(user: User, zone: str) -> Client:
        browser = as_(user)
        browser.cookies["timezone"] = zone
        return browser

    return told


@pytest.fixture
def ranked(as_: As, project: Project, labeler: User, monkeypatch: pytest.MonkeyPatch) -> Project:
    """At noon, and now it is the evening of that day in London."""
    ready_group(project)
    submit(as_(labeler), project, labeler)
    Ranking.objects.update(created_at=NOON)
    monkeypatch.setattr(timezone, "now", lambda: EVENING)
    return project


def shown(html: str) -> str:
    found = re.search(r"<time [^>]*>.*?</time>", html)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("zone", "text", "offset"),
    [
        ("", "2026-03-01 12:00", "UTC"),
        ("Asia/Shanghai", "2026-03-01 20:00", "UTC+8"),
        ("America/St_Johns", "2026-03-01 08:30", "UTC-3:30"),
        ("Pacific/Kiritimati", "2026-03-02 02:00", "UTC+14"),
        ("../../etc/passwd", "2026-03-01 12:00", "UTC"),
        ("Moon", "2026-03-01 12:00", "UTC"),
    ],
)
def test_a_time_is_shown_in_the_viewers_zone_which_is_named(
    in_zone: In, ranked: Project, labeler: User, zone: str, text: str, offset: str
) -> None:
    html = in_zone(labeler, zone).get(path("mine", ranked)).content.decode()
    assert shown(html) == (
        '<time datetime="2026-03-01T12:00:00+00:00">'
        f'{text} <span class="zone">{offset}</span></time>'
    )


def test_chinese_pages_name_the_zone_too(in_zone: In, ranked: Project, owner: User) -> None:
    browser = in_zone(owner, "Asia/Shanghai")
    chinese = {"accept-language": "zh-CN"}
    html = browser.get(path("triples", ranked), headers=chinese).content.decode()
    assert '<span class="zone">UTC+8</span>' in html
    assert "日期按您的时区 Asia/Shanghai 计算。" in html


@pytest.mark.parametrize(("zone", "today"), [("Europe/London", 1), ("Asia/Shanghai", 0)])
def test_today_is_the_viewers(
    in_zone: In, ranked: Project, labeler: User, owner: User, zone: str, today: int
) -> None:
    browser = in_zone(labeler, zone)
    assert browser.get(path("mine", ranked)).context["progress"].today == today
    assert browser.get("/").context["desks"][0].ranked_today == today
    seen = in_zone(owner, zone).get(path("project", ranked))
    assert seen.context["status"].rankings_today == today


def test_triples_are_narrowed_to_days_of_the_viewer(
    in_zone: In, ranked: Project, owner: User
) -> None:
    london, kiritimati = in_zone(owner, "Europe/London"), in_zone(owner, "Pacific/Kiritimati")
    since = f"{path('triples', ranked)}?since=2026-03-02"
    assert len(london.get(since).context["page"].rows) == 0
    assert len(kiritimati.get(since).context["page"].rows) == 3
    file = kiritimati.get(f"{path('triples_file', ranked, 'csv')}?since=2026-03-02")
    assert "triples-2026-03-02.csv" in file.headers["Content-Disposition"]


def test_no_zone_is_left_on_for_the_next_request(
    in_zone: In, ranked: Project, labeler: User
) -> None:
    in_zone(labeler, "Asia/Shanghai").get(path("mine", ranked))
    assert timezone.get_current_timezone_name() == "UTC"
