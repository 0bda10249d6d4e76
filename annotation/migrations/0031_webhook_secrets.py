from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0030_prompt_tags"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="former_secret",
            field=models.CharField(blank=True, default="", editable=False, max_length=100),
        ),
        migrations.AddField(
            model_name="webhook",
            name="former_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
