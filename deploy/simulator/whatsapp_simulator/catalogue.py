"""All that can be sent, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from whatsapp_simulator.kinds import SAMPLE_KINDS, MessageKind
from whatsapp_simulator.kinds_with_files import KINDS_WITH_FILES
from whatsapp_simulator.kinds_without_files import KINDS_WITHOUT_FILES

KINDS: Mapping[str, MessageKind] = MappingProxyType({**SAMPLE_KINDS, **KINDS_WITH_FILES, **KINDS_WITHOUT_FILES})
"""By the name that `--kind`, the control API and `Simulator.compose` use."""
