"""Labels on reward models; the nightly training becomes each project's own."""

from datetime import time

from django.db import migrations, models

NIGHTLY = {"name": "Nightly training", "task": "rewardmodel.tasks.train_on_schedule"}


def move_the_hour_to_projects(apps, schema_editor):
    """A row that means one hour of every day moves; another one stays as an admin wrote it."""
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    Project = apps.get_model("annotation", "Project")
    row = Task.objects.filter(**NIGHTLY).select_related("crontab").first()
    if row is None or not row.enabled:
        Project.objects.update(training_daily_at=None)
    elif (when := hour_of(row.crontab)) is None:
        Project.objects.update(training_daily_at=None)
        return
    else:
        zone = str(row.crontab.timezone)
        Project.objects.update(training_daily_at=when, training_zone=zone)
    Task.objects.filter(**NIGHTLY).delete()


def hour_of(crontab):
    """None unless it means one time of every day."""
    if crontab is None:
        return None
    days = (crontab.day_of_week, crontab.day_of_month, crontab.month_of_year)
    is_daily = days == ("*", "*", "*") and crontab.hour.isdecimal() and crontab.minute.isdecimal()
    return time(int(crontab.hour), int(crontab.minute)) if is_daily else None


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0025_project_life"),
        ("rewardmodel", "0008_promotions"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [
        migrations.AddField(
            model_name="rewardmodelversion",
            name="label",
            field=models.CharField(
                blank=True,
                help_text="A few words that stand beside the number, such as: best for support.",
                max_length=40,
                verbose_name="label",
            ),
        ),
        migrations.RunPython(move_the_hour_to_projects, migrations.RunPython.noop),
    ]
