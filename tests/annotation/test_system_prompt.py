"""A project's system prompt: read with every answer, kept with it, and the same in training."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotation.exchange.prompts import NewPrompt
from annotation.judgment.judgment import Judgment
from annotation.lm.chat import Message
from annotation.lm.loading import PolicySource, load_policy
from annotation.lm.sampler import SamplingParameters, derive_seed, sample_with_seeds
from annotation.models import Project, PromptGroup, Snapshot, Triple, User
from annotation.selectors.triples import triple_rows
from annotation.services import groups
from annotation.services.assignments import take_assignment
from annotation.services.demonstrations import write_demonstration
from annotation.services.generation import answer_pending_groups
from annotation.services.prompts import add_prompts
from annotation.services.rankings import submit_ranking
from annotation.services.snapshots import (
    take_demonstrations_snapshot,
    take_groups_snapshot,
    take_prompts_snapshot,
)
from tests.people import ask, new_answers

BRIEF: Message = {"role": "system", "content": "Be brief."}
QUESTION: Message = {"role": "user", "content": "Why?"}


@pytest.fixture
def brief(project: Project) -> Project:
    project.system_prompt = "Be brief."
    project.save()
    ask(project, "Why?")
    return project


def answered(project: Project) -> PromptGroup:
    groups.top_up(project)
    [group] = groups.claim_groups(project.pk, 1)
    prompt = group.project.system_prompt
    groups.store_answers(group, new_answers(3), sampling={}, system_prompt=prompt)
    return PromptGroup.objects.get(pk=group.pk)


def ranked(project: Project, labeler: User) -> PromptGroup:
    group = answered(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=assignment.token)
    return group


def only_row(snapshot: Snapshot) -> dict[str, Any]:
    [row] = map(json.loads, snapshot.file.read_text().splitlines())
    return dict(row)


def test_the_policy_reads_it_before_the_prompt(brief: Project, tiny_model: Path) -> None:
    brief.policyversions.update(base_model=str(tiny_model))
    brief.max_new_tokens, brief.answers_per_group = 12, 2
    brief.save()
    groups.top_up(brief)
    assert answer_pending_groups(brief.pk, 1) == 1
    group = brief.groups.get()
    seeds = [derive_seed(group.seed, 0, number) for number in range(2)]
    model, tokenizer = load_policy(PolicySource(str(tiny_model)))
    parameters = SamplingParameters(max_new_tokens=12)
    [again] = sample_with_seeds(model, tokenizer, [[BRIEF, QUESTION]], [seeds], parameters)
    assert [answer.text for answer in group.answers.all()] == [one.text for one in again]
    assert group.messages == [BRIEF, QUESTION]


def test_a_prompt_with_a_system_message_of_its_own_keeps_it(project: Project) -> None:
    project.system_prompt = "Be brief."
    project.save()
    own = [{"role": "system", "content": "Be a pirate."}, {"role": "user", "content": "Why?"}]
    add_prompts(project, [NewPrompt(messages=own)])
    assert answered(project).messages == own
    assert only_row(take_prompts_snapshot(project))["prompt"] == own


def test_rankings_are_learned_with_what_was_read_then_and_prompts_with_what_is_read_now(
    brief: Project, labeler: User
) -> None:
    ranked(brief, labeler)
    write_demonstration(brief.prompts.get(), labeler, "Because.")
    brief.system_prompt = "Be kind."
    brief.save()
    kind = {"role": "system", "content": "Be kind."}
    assert only_row(take_groups_snapshot(brief))["prompt"] == [BRIEF, QUESTION]
    assert only_row(take_prompts_snapshot(brief))["prompt"] == [kind, QUESTION]
    shown = only_row(take_demonstrations_snapshot(brief))["messages"]
    assert shown == [kind, QUESTION, {"role": "assistant", "content": "Because."}]


def test_it_moves_no_prompt_to_the_other_split(brief: Project, labeler: User) -> None:
    ranked(brief, labeler)
    split = brief.prompts.get().split
    assert only_row(take_groups_snapshot(brief))["split"] == split
    assert only_row(take_prompts_snapshot(brief))["split"] == split


def test_a_triples_question_is_the_persons_and_its_messages_are_the_models(
    brief: Project, labeler: User
) -> None:
    ranked(brief, labeler)
    rows = list(triple_rows(Triple.objects.all()))
    assert {row["question"] for row in rows} == {"Why?"}
    assert [row["messages"] for row in rows] == [[BRIEF, QUESTION]] * 3


def test_without_one_a_prompt_is_read_as_it_is(project: Project, labeler: User) -> None:
    ask(project, "Why?")
    ranked(project, labeler)
    assert only_row(take_groups_snapshot(project))["prompt"] == [QUESTION]
