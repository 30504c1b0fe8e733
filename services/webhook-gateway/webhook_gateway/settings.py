"""What the gateway reads from the environment."""

from pydantic import Field, SecretStr

from shared.setting_types import OnRevoke, SecretList, WholeNumber
from shared.settings import ServiceSettings

MIB = 1024 * 1024


class Settings(ServiceSettings):
    """Without an app secret and a verify token the gateway refuses to start: an unchecked webhook is anybody's."""

    whatsapp_app_secret: SecretList = Field(
        min_length=1,
        description="the app secret from Meta's App Dashboard, or a comma list of several",
    )
    whatsapp_verify_token: SecretStr = Field(
        min_length=1,
        description="the verify token that is typed into Meta's App Dashboard",
    )
    webhook_max_body_bytes: WholeNumber = Field(
        default=4 * MIB,
        gt=0,
        description="a whole number of bytes above 0 (Meta sends up to 3 MB)",
    )
    whatsapp_on_revoke: OnRevoke = Field(default="keep", description="keep or erase")
