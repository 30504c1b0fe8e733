import pytest

from shared.keys import Folder, ParsedKey, original_key, parse, rendition_key
from shared.sniff import EXTENSIONS
from tests.builders import SHA256


def test_an_original_is_addressed_by_its_content() -> None:
    incoming = original_key(Folder.INCOMING, sha256=SHA256, extension="jpg")
    outbound = original_key(Folder.OUTBOUND, sha256=SHA256, extension="jpg")

    assert incoming == f"incoming/12/{SHA256}.jpg"
    assert outbound == f"outbound/12/{SHA256}.jpg"


def test_a_rendition_carries_its_name_and_the_version_of_its_recipe() -> None:
    key = rendition_key(sha256=SHA256, name="thumb", recipe=3, extension="webp")

    assert key == f"renditions/12/{SHA256}/thumb-3.webp"


@pytest.mark.parametrize(
    "sha256", ["", SHA256[:-1], SHA256 + "0", SHA256.upper(), "g" * 64, "../" + SHA256[3:], SHA256 + "\n"]
)
def test_a_key_needs_a_whole_digest_in_lowercase_hex(sha256: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        original_key(Folder.INCOMING, sha256=sha256, extension="jpg")


@pytest.mark.parametrize("word", ["", ".", "..", "a/b", "a.b", "JPG", "jpg\n", "ä", "a b", "-a", "x" * 33])
def test_nothing_but_plain_words_becomes_part_of_a_key(word: str) -> None:
    with pytest.raises(ValueError, match="part of a key"):
        original_key(Folder.INCOMING, sha256=SHA256, extension=word)
    with pytest.raises(ValueError, match="part of a key"):
        rendition_key(sha256=SHA256, name=word, recipe=1, extension="webp")


def test_every_extension_that_can_be_sniffed_makes_a_key() -> None:
    for extension in EXTENSIONS.values():
        original_key(Folder.INCOMING, sha256=SHA256, extension=extension)


@pytest.mark.parametrize("folder", Folder)
def test_a_key_tells_whose_it_is(folder: Folder) -> None:
    original = original_key(folder, sha256=SHA256, extension="tar-gz")
    rendition = rendition_key(sha256=SHA256, name="thumb-small", recipe=12, extension="webp")

    assert parse(original) == ParsedKey(sha256=SHA256, is_original=True)
    assert parse(rendition) == ParsedKey(sha256=SHA256, is_original=False)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "notes.txt",
        f"incoming/{SHA256}.jpg",
        f"incoming/13/{SHA256}.jpg",
        f"incoming/12/{SHA256}",
        f"incoming/12/{SHA256}.jpg/x",
        f"incoming/12/{SHA256}.jpg\n",
        f"incoming/12/{SHA256.upper()}.jpg",
        f"./incoming/12/{SHA256}.jpg",
        f"attic/12/{SHA256}.jpg",
        f"renditions/12/{SHA256}.jpg",
        f"renditions/12/{SHA256}/thumb.webp",
        f"renditions/12/{SHA256}/thumb-one.webp",
    ],
)
def test_what_people_put_into_the_store_by_hand_is_no_key_of_ours(key: str) -> None:
    assert parse(key) is None
