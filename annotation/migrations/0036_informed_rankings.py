from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotation", "0035_jobs_and_saved_mappings")]

    operations = [
        migrations.AddField(
            model_name="ranking",
            name="is_informed",
            field=models.BooleanField(
                default=False,
                help_text="Said anew, and otherwise, by a labeler who had read what the teacher model expected.",
                verbose_name="informed",
            ),
        ),
    ]
