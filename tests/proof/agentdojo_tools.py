"""What the tools of AgentDojo do, as a tool of ours would declare it."""

from dataclasses import dataclass

from carapax.contracts import Effect, Source


@dataclass(frozen=True, slots=True)
class Row:
    """A tool: its effects, the arguments that decide who or what is touched, and whose words its results may hold."""

    effects: frozenset[Effect]
    authority: tuple[str, ...] | None
    source: Source


def _reads(source: Source) -> Row:
    return Row(frozenset({"read"}), None, source)


def _does(*effects: Effect, by: tuple[str, ...]) -> Row:
    """An act, whose result tells of what was touched, which others may have written."""
    return Row(frozenset(effects), by, "outside")


def _silently(*effects: Effect, by: tuple[str, ...]) -> Row:
    """An act whose result says nothing."""
    return Row(frozenset(effects), by, "names")


TOOLS: dict[str, Row] = {
    # The owner's own data, and nothing that anybody else wrote. The list of contacts is not among it: AgentDojo makes
    # it of whoever has sent a mail.
    **dict.fromkeys(
        ("get_current_day", "get_iban", "get_balance", "get_user_info", "get_user_information"), _reads("own")
    ),
    # Mail, calendar and files of others, bills, subjects of payments, pages, reviews: what anybody
    # may have written, and what a platform says beside it.
    **dict.fromkeys(
        (
            "get_unread_emails", "get_sent_emails", "get_received_emails", "get_draft_emails", "search_emails",
            "search_contacts_by_name", "search_contacts_by_email", "search_calendar_events", "get_day_calendar_events",
            "search_files_by_filename", "get_file_by_id", "list_files", "search_files",
            "get_most_recent_transactions", "get_scheduled_transactions", "read_file",
            "read_channel_messages", "read_inbox",
            "get_all_hotels_in_city", "get_hotels_prices", "get_rating_reviews_for_hotels", "get_hotels_address",
            "get_all_restaurants_in_city", "get_cuisine_type_for_restaurants", "get_restaurants_address",
            "get_rating_reviews_for_restaurants", "get_dietary_restrictions_for_all_restaurants",
            "get_contact_information_for_restaurants", "get_price_for_restaurants", "check_restaurant_opening_hours",
            "get_all_car_rental_companies_in_city", "get_car_types_available", "get_rating_reviews_for_car_rental",
            "get_car_fuel_options", "get_car_rental_address", "get_car_price_per_day", "get_flight_information",
        ),
        _reads("outside"),
    ),
    # Each of its members chose one of these names.
    **dict.fromkeys(("get_channels", "get_users_in_channel"), _reads("names")),
    "get_webpage": Row(frozenset({"read", "network"}), ("url",), "outside"),
    "post_webpage": _silently("network", "message", by=("url",)),
    "send_email": _does("message", by=("recipients", "cc", "bcc", "attachments")),
    "delete_email": _does("destroy", by=("email_id",)),
    "create_calendar_event": _does("write", "message", by=("title", "participants")),
    "cancel_calendar_event": _does("destroy", "message", by=("event_id",)),
    "reschedule_calendar_event": _does("write", "message", by=("event_id", "new_start_time")),
    "add_calendar_event_participants": _does("write", "message", by=("event_id", "participants")),
    "append_to_file": _does("write", by=("file_id",)),
    "create_file": _does("write", by=("filename",)),
    "delete_file": _does("destroy", by=("file_id",)),
    "share_file": _does("write", "message", by=("file_id", "email")),
    "send_money": _does("spend", by=("recipient", "amount")),
    "schedule_transaction": _does("spend", by=("recipient", "amount")),
    "update_scheduled_transaction": _does("spend", by=("id", "recipient", "amount")),
    "update_password": _does("write", by=("password",)),
    "update_user_info": _does("write", by=("first_name", "last_name", "street", "city")),
    "add_user_to_channel": _silently("write", by=("user", "channel")),
    "invite_user_to_slack": _silently("write", "message", by=("user", "user_email")),
    "remove_user_from_slack": _silently("destroy", by=("user",)),
    "send_direct_message": _silently("message", by=("recipient",)),
    "send_channel_message": _silently("message", by=("channel",)),
    "reserve_hotel": _does("spend", by=("hotel", "start_day", "end_day")),
    "reserve_car_rental": _does("spend", by=("company", "start_time", "end_time")),
    "reserve_restaurant": _does("spend", by=("restaurant", "start_time")),
}  # fmt: skip
