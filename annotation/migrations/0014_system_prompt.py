"""A project has a system prompt, and a group the one with which it was answered."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotation", "0013_project_bounds")]

    operations = [
        migrations.AddField(
            "project",
            "system_prompt",
            models.TextField(
                blank=True,
                help_text="Put before every prompt that has no system message of its own, when "
                "the model answers as in training. Labelers do not see it. Some models take none.",
                max_length=4000,
                verbose_name="system prompt",
            ),
        ),
        migrations.AddField(
            "promptgroup",
            "system_prompt",
            models.TextField(
                blank=True,
                help_text="The project's when it was answered.",
                verbose_name="system prompt",
            ),
        ),
    ]
