"""Tables and their constraints, a file a noun; reads are in selectors, writes in services."""

from annotation.models.answer import Answer, PromptGroup
from annotation.models.comparison import Comparison
from annotation.models.demonstration import Demonstration, Writing
from annotation.models.desk import Draft, Flag, Skip
from annotation.models.export import Export
from annotation.models.people import Membership, User
from annotation.models.policy import MergedModel, PolicyVersion
from annotation.models.project import Project
from annotation.models.prompt import Message, Prompt, PromptUpload, SavedMapping
from annotation.models.ranking import AnswerFlag, Assignment, PromptMark, Ranking, Rating
from annotation.models.snapshot import Snapshot, SnapshotJob
from annotation.models.token import ApiToken, IdempotentRequest
from annotation.models.triple import Triple
from annotation.models.webhook import Delivery, Webhook

__all__ = [
    "Answer",
    "AnswerFlag",
    "ApiToken",
    "Assignment",
    "Comparison",
    "Delivery",
    "Demonstration",
    "Draft",
    "Export",
    "Flag",
    "IdempotentRequest",
    "Membership",
    "MergedModel",
    "Message",
    "PolicyVersion",
    "Project",
    "Prompt",
    "PromptGroup",
    "PromptMark",
    "PromptUpload",
    "Ranking",
    "Rating",
    "SavedMapping",
    "Skip",
    "Snapshot",
    "SnapshotJob",
    "Triple",
    "User",
    "Webhook",
    "Writing",
]
