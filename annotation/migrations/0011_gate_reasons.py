"""What a gate said is JSON: a verdict's code and values, or free text.

Every sentence is kept as free text here; rewardmodel's migrations turn its own into verdicts. The
base model had a sentence without any gate: the page says it.
"""

from django.db import migrations, models

BASE_MODEL = "The base model serves until a version that was taught beats it."


def keep_as_json(apps, schema_editor):
    versions = apps.get_model("annotation", "PolicyVersion").objects
    versions = versions.using(schema_editor.connection.alias)
    for pk, text in versions.exclude(gate_text__in=("", BASE_MODEL)).values_list("pk", "gate_text"):
        versions.filter(pk=pk).update(gate_reason=text)


def keep_as_text(apps, schema_editor):
    versions = apps.get_model("annotation", "PolicyVersion").objects
    versions = versions.using(schema_editor.connection.alias)
    for pk, text in versions.filter(gate_reason__isnull=False).values_list("pk", "gate_reason"):
        versions.filter(pk=pk).update(gate_text=text)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0010_assignment")]

    operations = [
        migrations.RenameField("policyversion", "gate_reason", "gate_text"),
        migrations.AddField(
            "policyversion",
            "gate_reason",
            models.JSONField(blank=True, null=True, verbose_name="gate"),
        ),
        migrations.RunPython(keep_as_json, keep_as_text),
        migrations.RemoveField("policyversion", "gate_text"),
    ]
