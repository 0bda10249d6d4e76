"""The loop's schedules, once; from then on an admin edits them."""

from django.conf import settings
from django.db import migrations

EVERY = {
    "Keep queues full": ("annotation.tasks.keep_queues_full", 10),
    "Tend training": ("rewardmodel.tasks.tend_training", 10),
}


def create_schedules(apps, schema_editor):
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, (task, seconds) in EVERY.items():
        interval, _ = Interval.objects.get_or_create(every=seconds, period="seconds")
        Task.objects.get_or_create(
            name=name,
            defaults={"task": task, "interval": interval, "expire_seconds": seconds},
        )
    nightly, _ = Crontab.objects.get_or_create(
        minute="0",
        hour="3",
        day_of_week="*",
        day_of_month="*",
        month_of_year="*",
        timezone=settings.TIME_ZONE,
    )
    Task.objects.get_or_create(
        name="Nightly training",
        defaults={"task": "rewardmodel.tasks.train_on_schedule", "crontab": nightly},
    )


class Migration(migrations.Migration):
    dependencies = [
        ("rewardmodel", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create_schedules, migrations.RunPython.noop)]
