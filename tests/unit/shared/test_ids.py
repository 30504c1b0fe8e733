import re

from shared.ids import media_id, new_conversation_id, new_correlation_id


def test_the_same_facts_give_the_same_id_for_ever() -> None:
    """Pinned: another derivation would make a new document of every webhook that Meta repeats."""
    derived = media_id(phone_number_id="1", message_id="wamid.A", provider_media_id="2")

    assert derived == "mqb7djtenehli3n2hctmaoiwadytscn72"


def test_ids_are_url_safe() -> None:
    ids = [
        media_id(phone_number_id="1/?&", message_id="wamid.ä==", provider_media_id="\ud83d"),
        new_conversation_id(),
        new_correlation_id(),
    ]

    assert all(re.fullmatch(r"[a-z0-9]+", each) for each in ids)


def test_different_facts_give_different_ids() -> None:
    def of(number: str, message: str, media: str | None) -> str:
        return media_id(phone_number_id=number, message_id=message, provider_media_id=media)

    ids = {
        of("a", "bc", "d"),
        of("ab", "c", "d"),
        of("a", "b", "cd"),
        of("a", "bcd", None),
        of("a", "bc", "e"),
        of("1:a", "bc", "d"),
    }

    assert len(ids) == 6


def test_conversations_and_correlations_are_unique() -> None:
    assert len({new_conversation_id() for _ in range(100)}) == 100
    assert len({new_correlation_id() for _ in range(100)}) == 100
    assert new_conversation_id().startswith("c")
