"""Tables and their constraints, a file a noun; reads are in selectors, writes in services."""

from annotation.models.answer import Answer, PromptGroup
from annotation.models.comparison import Comparison
from annotation.models.demonstration import Demonstration, Writing
from annotation.models.desk import Draft, Flag, Skip
from annotation.models.export import Export
from annotation.models.policy import PolicyVersion
from annotation.models.project import Membership, Project, User
from annotation.models.prompt import Message, Prompt, PromptUpload
from annotation.models.ranking import AnswerFlag, Assignment, PromptMark, Ranking, Rating
from annotation.models.snapshot import Snapshot
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
    "Message",
    "PolicyVersion",
    "Project",
    "Prompt",
    "PromptGroup",
    "PromptMark",
    "PromptUpload",
    "Ranking",
    "Rating",
    "Skip",
    "Snapshot",
    "Triple",
    "User",
    "Webhook",
    "Writing",
]
