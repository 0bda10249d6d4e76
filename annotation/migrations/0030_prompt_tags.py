from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0029_playground"),
    ]

    operations = [
        migrations.AddField(
            model_name="prompt",
            name="tag_words",
            field=models.TextField(blank=True, default="", editable=False, verbose_name="tags"),
        ),
    ]
