"""Reads that are turned into SQL once a process."""

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError

from annotation.models import Project, User
from annotation.selectors.compiled import Compiled
from annotation.services.assignments import take_ahead, take_assignment
from tests.people import ready_group


def test_each_value_finds_its_own_rows(owner: User, stranger: User) -> None:
    named = Compiled(lambda name: User.objects.filter(username=name))
    assert named("owner") == [owner]
    assert named("stranger") == [stranger]
    assert named("nobody") == []


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_within_a_transaction_only_however_often_it_is_called(owner: User) -> None:
    locked = Compiled(lambda name: User.objects.filter(username=name).select_for_update())
    for _time in range(2):
        with pytest.raises(TransactionManagementError):
            locked("owner")
        with transaction.atomic():
            assert locked("owner") == [owner]


@pytest.mark.django_db(transaction=True)
def test_the_services_lock_what_they_hand_out_in_a_transaction_of_their_own(
    project: Project, owner: User
) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    assert take_assignment(project, owner) is not None
    assert take_ahead(project, owner) is not None
