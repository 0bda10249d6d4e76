"""A ranking knows in which mode it was judged: an order is never read as good and bad.

Of those that are here, the ones of at most two ranks in a project that asks for good or bad were
shown as verdicts so far.
"""

from django.db import migrations, models

BATCH = 1000


def mark_verdicts(apps, schema_editor):
    rankings = apps.get_model("annotation", "Ranking").objects
    rankings = rankings.using(schema_editor.connection.alias)
    judged = rankings.filter(group__project__mode="thumbs").order_by("pk")
    verdicts = [pk for pk, ranks in judged.values_list("pk", "ranks") if max(ranks) <= 2]
    for start in range(0, len(verdicts), BATCH):
        rankings.filter(pk__in=verdicts[start : start + BATCH]).update(mode="thumbs")


class Migration(migrations.Migration):
    dependencies = [("annotation", "0015_chosen_passwords")]

    operations = [
        migrations.AddField(
            "ranking",
            "mode",
            models.CharField(
                choices=[
                    ("ranking", "put the answers in order"),
                    ("thumbs", "good or bad, one press an answer"),
                ],
                default="ranking",
                help_text="Of the question that the ranks answer, whatever the project asks by now.",
                max_length=10,
                verbose_name="way of judging",
            ),
        ),
        migrations.RunPython(mark_verdicts, migrations.RunPython.noop),
    ]
