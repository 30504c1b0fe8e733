"""`changes[].field`, as Meta lists them."""

from webhook_gateway.whatsapp.reading import Node

MEDIA_FIELDS = frozenset({"messages", "smb_message_echoes", "history", "calls"})
"""Those that may carry media."""
OTHER_FIELDS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_settings_update",
        "account_update",
        "automatic_events",
        "business_capability_update",
        "flows",
        "group_lifecycle_update",
        "group_participants_update",
        "group_settings_update",
        "group_status_update",
        "message_template_components_update",
        "message_template_quality_update",
        "message_template_status_update",
        "partner_solutions",
        "payment_configuration_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
        "smb_app_state_sync",
        "template_category_update",
        "user_id_update",
        "user_preferences",
    }
)
"""Those that never do: acknowledged and counted."""


def field_of(change: Node) -> str:
    """One of Meta's names, or `other`: whatever is sent, there are few of them to count by."""
    name = change.get("field")
    return name if isinstance(name, str) and name in MEDIA_FIELDS | OTHER_FIELDS else "other"
