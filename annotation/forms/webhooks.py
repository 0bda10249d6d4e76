"""Where a project's events are sent, checked."""

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.models import Webhook
from annotation.services.outgoing import NotSent, checked_address


class WebhookForm(forms.Form):
    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        help_text=_("Where your program takes requests, such as https://example.org/laoshi."),
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=Webhook.Event.choices,
        widget=forms.CheckboxSelectMultiple,
    )

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        try:
            checked_address(url)
        except NotSent as problem:
            raise forms.ValidationError(gettext(str(problem))) from problem
        return url


class ChangeForm(WebhookForm):
    is_active = forms.BooleanField(label=_("Send to it"), required=False)
