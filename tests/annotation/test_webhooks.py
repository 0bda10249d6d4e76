"""Programs are told what happened: once it is stored, signed, and until they take it."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks.webhooks import WebhookVerificationError

from annotation.judgment.judgment import Judgment
from annotation.models import Delivery, Project, User, Webhook
from annotation.selectors.webhooks import PAUSES, due_deliveries
from annotation.services import outgoing, webhooks
from annotation.services.assignments import take_assignment
from annotation.services.deliveries import LOGGED, delete_old_deliveries, deliver
from annotation.services.outgoing import NotSent, checked_address, may_be_reached, post
from annotation.services.rankings import submit_ranking
from annotation.services.revisions import undo_last
from annotation.services.webhooks import (
    change_webhook,
    make_webhook,
    renew_secret,
    send_again,
    send_test,
)
from annotation.tasks import keep_queues_full
from tests.annotation.desk import rank
from tests.annotation.receiver import Receiver, receiving
from tests.people import member, ready_group
from tests.worker import Worker, wait_for

HERE = [ip_network("127.0.0.0/8")]
ALL = Webhook.Event.values


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_NETWORKS = HERE
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def webhook(project: Project, owner: User, receiver: Receiver) -> Webhook:
    return make_webhook(project, owner, receiver.url, ALL)


def all_pauses_end() -> None:
    Delivery.objects.update(due_at=timezone.now())
    Webhook.objects.update(rests_until=None)


def test_a_ranking_is_told_with_its_group_signed(
    project: Project, labeler: User, webhook: Webhook, receiver: Receiver
) -> None:
    group = ready_group(project)
    rank(project, labeler, {0: 2, 1: 1, 2: 3})
    assert not deliver()
    ranking, complete = receiver.checked(webhook.secret)
    assert (ranking["type"], complete["type"]) == ("ranking.made", "group.complete")
    assert ranking["data"]["id"] == group.pk
    assert ranking["data"]["group"]["rankings"][0]["ranks"] == [2, 1, 3]
    assert ranking["data"]["group"] == complete["data"]["group"]
    pseudonym = ranking["data"]["group"]["rankings"][0]["labeler"]
    assert labeler.username not in pseudonym.removeprefix("labeler-")
    assert receiver.got[0][0] == "/hook?a=b"
    assert set(webhook.deliveries.values_list("status", "answer_status")) == {("delivered", 200)}


def test_a_ranking_that_is_taken_back_is_told_with_what_still_holds(
    project: Project, labeler: User, webhook: Webhook, receiver: Receiver
) -> None:
    ready_group(project)
    rank(project, labeler)
    undo_last(project, labeler)
    assert not deliver()
    made, _complete, undone = receiver.checked(webhook.secret)
    assert undone["type"] == "ranking.undone"
    told = undone["data"]
    assert told["group"] is None
    assert told["labeler"] == made["data"]["group"]["rankings"][0]["labeler"]


def test_a_renewed_secret_signs_beside_the_former_one_for_a_day(
    webhook: Webhook, receiver: Receiver
) -> None:
    former = webhook.secret
    renewed = renew_secret(webhook)
    assert renewed != former
    send_test(webhook)
    deliver()
    assert receiver.checked(renewed) == receiver.checked(former)
    Webhook.objects.update(former_until=timezone.now())
    receiver.got.clear()
    send_test(webhook)
    deliver()
    assert len(receiver.checked(renewed)) == 1
    with pytest.raises(WebhookVerificationError):
        receiver.checked(former)


def test_a_secret_renewed_twice_still_signs_with_the_one_that_the_receiver_knows(
    webhook: Webhook, receiver: Receiver
) -> None:
    known, between = webhook.secret, renew_secret(webhook)
    until = Webhook.objects.get().former_until
    newest = renew_secret(webhook)
    assert Webhook.objects.get().former_until == until
    send_test(webhook)
    deliver()
    assert receiver.checked(newest) == receiver.checked(known)
    with pytest.raises(WebhookVerificationError):
        receiver.checked(between)


def test_a_webhook_that_is_changed_meanwhile_keeps_its_new_secret(webhook: Webhook) -> None:
    renewed = renew_secret(Webhook.objects.get())
    change_webhook(webhook, webhook.url, ALL, is_active=True)
    assert Webhook.objects.get().secret == renewed


def test_a_group_is_complete_when_nobody_is_asked_any_more(
    project: Project, labeler: User, webhook: Webhook
) -> None:
    project.overlap = 2
    project.save()
    ready_group(project)
    rank(project, labeler)
    assert not webhook.deliveries.filter(event="group.complete").exists()
    rank(project, member(project, "other"))
    assert webhook.deliveries.filter(event="group.complete").count() == 1


def test_only_what_was_asked_for_is_told_and_only_of_its_project(
    project: Project, owner: User, labeler: User, receiver: Receiver
) -> None:
    other = Project.objects.create(name="Garden", slug="garden")
    elsewhere = make_webhook(other, owner, receiver.url, ALL)
    off = make_webhook(project, owner, receiver.url, ALL)
    change_webhook(off, off.url, ALL, is_active=False)
    of_groups = make_webhook(project, owner, receiver.url, ["group.complete"])
    ready_group(project)
    rank(project, labeler)
    told = Delivery.objects.values_list("webhook", "event")
    assert list(told) == [(of_groups.pk, "group.complete")]
    assert not elsewhere.deliveries.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_not_stored_is_not_told(
    project: Project, labeler: User, webhook: Webhook, receiver: Receiver
) -> None:
    ready_group(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    judgment = Judgment(dict.fromkeys(range(3), 1))
    with transaction.atomic():
        submit_ranking(labeler, judgment, token=assignment.token)
        assert Delivery.objects.exists()
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    submit_ranking(labeler, judgment, token=assignment.token)
    submit_ranking(labeler, judgment, token=assignment.token)
    assert Delivery.objects.filter(event="ranking.made").count() == 1


def test_what_is_not_taken_is_sent_again_under_the_same_number_with_growing_pauses(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.statuses = [404, 302, 200]
    delivery = send_test(webhook)
    pauses = []
    for _attempt in range(2):
        before = timezone.now()
        deliver()
        delivery.refresh_from_db()
        pauses.append(round((delivery.due_at - before).total_seconds()))
        assert not due_deliveries().exists()
        all_pauses_end()
    assert pauses == [pause.total_seconds() for pause in PAUSES[:2]]
    deliver()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("delivered", 3)
    assert delivery.answer.startswith("Thank you.")
    assert len(delivery.answer) == outgoing.KEPT
    assert {headers["webhook-id"] for _path, headers, _body in receiver.got} == {
        delivery.message_id
    }
    assert [path for path, _headers, _body in receiver.got] == ["/hook?a=b"] * 3


def test_after_the_last_attempt_it_is_given_up_until_somebody_sends_it_again(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.statuses = [400]
    delivery = send_test(webhook)
    for _attempt in range(len(PAUSES) + 1):
        all_pauses_end()
        deliver()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("failed", len(PAUSES) + 1)
    all_pauses_end()
    assert not due_deliveries().exists()
    receiver.statuses = [204]
    send_again(delivery)
    deliver()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("delivered", 1)


def test_a_machine_that_does_not_answer_rests_with_all_that_waits_for_it(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.statuses = [503]
    for _each in range(3):
        send_test(webhook)
    deliver()
    assert len(receiver.got) == 1
    webhook.refresh_from_db()
    assert webhook.failures == 1
    receiver.statuses = [200]
    all_pauses_end()
    deliver()
    webhook.refresh_from_db()
    assert (len(receiver.got), webhook.failures) == (4, 0)


def test_a_receiver_that_is_gone_is_sent_no_more(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    receiver.statuses = [410]
    send_test(webhook)
    deliver()
    webhook.refresh_from_db()
    assert not webhook.is_active


def test_a_worker_that_died_leaves_its_delivery_to_the_next(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    delivery = send_test(webhook)
    soon = timezone.now() + timedelta(seconds=30)
    Delivery.objects.update(claim=delivery.key, claimed_until=soon)
    deliver()
    assert receiver.got == []
    Delivery.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    deliver()
    assert len(receiver.got) == 1


@pytest.mark.django_db(transaction=True)
def test_a_lost_message_delays_a_delivery_only(
    project: Project,
    labeler: User,
    webhook: Webhook,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("WEBHOOK_NETWORKS", "127.0.0.0/8")
    monkeypatch.setattr(webhooks, "call_worker", lambda: None)
    ready_group(project)
    rank(project, labeler)
    worker = Worker(tmp_path / "worker.log")
    worker.start()
    try:
        keep_queues_full.delay()
        wait_for(lambda: not Delivery.objects.exclude(status="delivered").exists())
    finally:
        worker.kill()
    assert [each["type"] for each in receiver.checked(webhook.secret)] == [
        "ranking.made",
        "group.complete",
    ]


def test_the_log_is_kept_for_a_month_and_what_waits_for_longer(
    project: Project, webhook: Webhook, receiver: Receiver
) -> None:
    taken = send_test(webhook)
    deliver()
    waiting = send_test(webhook)
    Delivery.objects.update(created_at=timezone.now() - LOGGED - timedelta(days=1))
    delete_old_deliveries()
    assert not Delivery.objects.filter(pk=taken.pk).exists()
    assert Delivery.objects.filter(pk=waiting.pk).exists()


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://0.0.0.0/"),
        *("http://10.1.2.3/", "http://192.168.0.1/", "http://169.254.169.254/latest/meta-data"),
        *(
            "http://[::ffff:10.0.0.1]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://2130706433",
        ),
        *(
            "http://0177.0.0.1/",
            "http://[2002:0a00:0001::]/",
            "http://100.64.0.1/",
            "http://224.0.0.1",
        ),
        *("ftp://example.org/", "file:///etc/passwd", "https://a:b@example.org/", "https:///path"),
        *("http://example.org:99999/", "http://example.org/\r\nX: y", "http://[::1", "//x", ""),
    ],
)
def test_nothing_is_sent_into_private_networks_or_to_what_is_no_address(url: str) -> None:
    with pytest.raises(NotSent):
        post(url, b"{}", {})


@pytest.mark.parametrize(
    "address",
    [
        *("64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1", "::7f00:1"),
        *("::ffff:0:127.0.0.1", "2002:7f00:1::", "2001::1"),
        *("192.88.99.1", "fec0::1", "5f00::1"),
    ],
)
def test_an_address_that_holds_another_or_stays_within_a_site_is_not_public(address: str) -> None:
    assert not may_be_reached(ip_address(address))


def test_a_name_that_leads_to_a_private_address_is_refused_whatever_else_it_leads_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(*_given: Any, **_named: Any) -> list[Any]:
        return [(2, 1, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with pytest.raises(NotSent, match="private network"):
        post("http://example.org/", b"{}", {})


def test_a_network_that_the_installation_names_may_be_reached(receiver: Receiver) -> None:
    assert checked_address(receiver.url).hostname == "127.0.0.1"
    assert post(receiver.url, b"{}", {}).status == 200


def test_no_redirect_is_followed(receiver: Receiver) -> None:
    receiver.statuses = [307]
    assert post(receiver.url, b"{}", {}).status == 307
    assert len(receiver.got) == 1


def test_a_machine_that_says_nothing_is_waited_for_only_so_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_NETWORKS = HERE
    monkeypatch.setattr(outgoing, "SECONDS", 0.2)
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
    with silent, pytest.raises(NotSent, match="no answer"):
        post(url, b"{}", {})
    with pytest.raises(NotSent, match="No connection"):
        post(url, b"{}", {})
