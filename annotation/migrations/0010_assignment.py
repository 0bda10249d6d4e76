"""A queue's place is called an assignment; no row changes."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotation", "0009_writing")]

    operations = [
        migrations.RenameModel("Place", "Assignment"),
        migrations.AlterModelOptions(
            "assignment",
            options={"verbose_name": "assignment", "verbose_name_plural": "assignments"},
        ),
        migrations.AlterField(
            "assignment",
            "group",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="assignments",
                to="annotation.promptgroup",
            ),
        ),
        migrations.AlterField(
            "assignment",
            "labeler",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="assignments",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            "assignment",
            "project",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="assignments",
                to="annotation.project",
            ),
        ),
        migrations.RenameIndex(
            "assignment", new_name="assignment_in_queue", old_name="place_in_queue"
        ),
        migrations.RenameIndex(
            "assignment", new_name="assignment_in_work", old_name="place_in_work"
        ),
        migrations.RemoveConstraint("assignment", "place_number_once"),
        migrations.RemoveConstraint("assignment", "one_place_per_labeler"),
        migrations.RemoveConstraint("assignment", "place_is_free_or_leased"),
        migrations.AddConstraint(
            "assignment",
            models.UniqueConstraint(fields=("group", "number"), name="assignment_number_once"),
        ),
        migrations.AddConstraint(
            "assignment",
            models.UniqueConstraint(
                fields=("group", "labeler"), name="one_assignment_per_labeler"
            ),
        ),
        migrations.AddConstraint(
            "assignment",
            models.CheckConstraint(
                condition=models.Q(
                    ("expires_at__isnull", True),
                    ("labeler__isnull", True),
                    ("token__isnull", True),
                )
                | models.Q(("labeler__isnull", False), ("token__isnull", False)),
                name="assignment_is_free_or_leased",
            ),
        ),
    ]
