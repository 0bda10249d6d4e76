"""A daily cleaning of files that no version needs; an admin may set another hour."""

from django.conf import settings
from django.db import migrations

NAME = "Clean up files"


def create_schedule(apps, schema_editor):
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    hour, _ = Crontab.objects.get_or_create(
        minute="30",
        hour="4",
        day_of_week="*",
        day_of_month="*",
        month_of_year="*",
        timezone=settings.TIME_ZONE,
    )
    Task.objects.get_or_create(
        name=NAME, defaults={"task": "rewardmodel.tasks.clean_up", "crontab": hour}
    )


class Migration(migrations.Migration):
    dependencies = [
        ("rewardmodel", "0005_room_wanted"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create_schedule, migrations.RunPython.noop)]
