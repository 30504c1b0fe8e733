"""Over https, as Meta is reached: certificates are made for the test."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from whatsapp_simulator import Fault, FaultName, Simulator


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


async def test_metadata_and_files_come_over_https_with_faults(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate)))
    headers = {"Authorization": "Bearer demo-access-token"}

    async with (
        Simulator(app_secret="s", tls=server) as sim,
        aiohttp.ClientSession(connector=trusting, headers=headers) as session,
    ):
        media = sim.add_sample("pdf", faults=[Fault(name=FaultName.RESET, times=1)])
        async with session.get(f"{sim.base_url}/v25.0/{media.id}") as response:
            url = (await response.json())["url"]
        with pytest.raises(aiohttp.ClientError):
            async with session.get(url) as broken:
                await broken.read()
        async with session.get(url) as healed:
            body = await healed.read()

    assert url.startswith("https://127.0.0.1:")
    assert len(body) == media.content.size_bytes
