"""Every number of a project has bounds; what lay outside becomes the bound that is nearest."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models

BOUNDS = {
    "answers_per_group": (2, 9),
    "overlap": (1, 50),
    "queue_target": (0, 10_000),
    "lease_minutes": (1, 7 * 24 * 60),
    "demonstrations_wanted": (0, 50),
    "temperature": (0, 2),
    "top_p": (0.01, 1),
    "max_new_tokens": (1, 8192),
    "heldout_percent": (1, 90),
    "training_threshold": (1, 1_000_000),
    "kl_budget": (0, 1_000_000),
}


def clamp(apps, schema_editor):
    projects = apps.get_model("annotation", "Project").objects
    projects = projects.using(schema_editor.connection.alias)
    for name, (least, most) in BOUNDS.items():
        projects.filter(**{f"{name}__lt": least}).update(**{name: least})
        projects.filter(**{f"{name}__gt": most}).update(**{name: most})


def within(name):
    least, most = BOUNDS[name]
    return [MinValueValidator(least), MaxValueValidator(most)]


def bounded(name):
    least, most = BOUNDS[name]
    condition = models.Q((f"{name}__gte", least), (f"{name}__lte", most))
    constraint = models.CheckConstraint(
        condition=condition, name=f"project_{name}_in_bounds"
    )
    return migrations.AddConstraint("project", constraint)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0012_highlights_in_the_answer")]

    operations = [
        migrations.RunPython(clamp, migrations.RunPython.noop),
        migrations.RemoveConstraint("project", "project_answers_per_group_2_to_9"),
        migrations.RemoveConstraint("project", "project_overlap_min_1"),
        migrations.AlterField(
            "project",
            "demonstrations_wanted",
            models.PositiveSmallIntegerField(
                default=0,
                help_text="By how many people. 0: nobody is asked to write answers from scratch.",
                validators=within("demonstrations_wanted"),
                verbose_name="answers to write for each prompt",
            ),
        ),
        migrations.AlterField(
            "project",
            "kl_budget",
            models.FloatField(
                default=10.0,
                help_text="In nats an answer: how far a policy may move from the base model.",
                validators=within("kl_budget"),
                verbose_name="KL budget",
            ),
        ),
        migrations.AlterField(
            "project",
            "lease_minutes",
            models.PositiveIntegerField(
                default=30,
                help_text="After this a group that was not submitted is offered to others.",
                validators=within("lease_minutes"),
                verbose_name="minutes to rank a group",
            ),
        ),
        migrations.AlterField(
            "project",
            "queue_target",
            models.PositiveIntegerField(
                default=24,
                help_text="Answers are generated until this many groups wait for labelers.",
                validators=within("queue_target"),
                verbose_name="groups kept ready",
            ),
        ),
        migrations.AlterField(
            "project",
            "training_threshold",
            models.PositiveIntegerField(
                default=100,
                validators=within("training_threshold"),
                verbose_name="new rankings before training",
            ),
        ),
        *map(bounded, BOUNDS),
    ]
