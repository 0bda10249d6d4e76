import pytest

from annotation.models import Project, PromptGroup
from tests.people import ready_group


@pytest.fixture
def group(project: Project) -> PromptGroup:
    return ready_group(project)
