"""Made-up parties for whoever does not care which."""

from __future__ import annotations

from whatsapp_simulator.parties import BusinessNumber, Customer

ADA = Customer(name="Ada Example", wa_id="15550109999", user_id="US.10000000000000000001")
DEMO_NUMBER = BusinessNumber(phone_number_id="200300400500600")
DEMO_ACCESS_TOKEN = "demo-access-token"  # noqa: S105 - worth nothing at Meta
