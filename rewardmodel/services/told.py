"""What webhooks are told of runs and versions."""

from annotation.models import Webhook
from annotation.services.webhooks import tell
from rewardmodel.models import Promotion, TrainingRun

Event = Webhook.Event


def tell_of_run(run: TrainingRun) -> None:
    """That it ended, and what came of it. Its `reason` is a verdict's code with values, or text."""
    policy, reward_model = run.produced_policy, run.produced_reward_model
    content = {
        "project": run.project.slug,
        "id": run.pk,
        "kind": run.kind,
        "status": run.status,
        "reason": run.reason,
        "metrics": run.metrics,
        "policy": policy and policy.number,
        "reward_model": reward_model and reward_model.number,
    }
    tell(run.project_id, Event.RUN, lambda _webhook: content)


def tell_of_promotion(promotion: Promotion) -> None:
    """That another version serves: `by` whom or by which `comparison`, both null where its gate
    decided."""
    content = {
        "project": promotion.project.slug,
        "kind": promotion.kind,
        "number": promotion.number,
        "instead_of": promotion.instead_of,
        "by": promotion.by and promotion.by.username,
        "comparison": promotion.comparison_id,
    }
    tell(promotion.project_id, Event.VERSION, lambda _webhook: content)
