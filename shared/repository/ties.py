"""Which conversations are one customer's, and to whom a name goes: a pure decision (product.md, "The document")."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.repository.lineages import USER, Lineage


@dataclass(frozen=True, kw_only=True)
class Tie:
    """What names that Meta gave together mean for the conversations that they lead to now."""

    same_customer: Sequence[Lineage]  # to go on as one
    taken: Sequence[tuple[Lineage, Sequence[str]]]  # names that have a new owner, and who had them
    missing: Sequence[str]  # names that lead nowhere yet


def tied(found: Sequence[Lineage], old: Sequence[str], new: Sequence[str]) -> Tie:
    """Decide about `new` names of a customer who gave up the `old` ones (or none); of each list the surest first.

    Two user ids are two people, unless Meta says that one became the other: strangers are never merged. Their phone
    number goes to whom it is said to belong now (numbers are recycled), but a number that a customer gave up stays
    with whoever has it since.
    """
    same_customer: list[Lineage] = []
    taken: list[tuple[Lineage, Sequence[str]]] = []
    elsewhere: set[str] = set()
    users: set[str] = set()
    for given_up, names in ((True, old), (False, new)):
        users.update(name for name in names if name.startswith(USER))
        for name in names:
            lineage = next((lineage for lineage in found if name in lineage.names), None)
            if lineage is None or lineage in same_customer:
                continue
            if not users or not lineage.users or users & lineage.users:
                same_customer.append(lineage)
                users |= lineage.users
            elif not given_up:
                taken.append((lineage, [name]))
            elif name not in new:
                elsewhere.add(name)
    known = {name for lineage in found for name in lineage.names}
    missing = [name for name in dict.fromkeys((*new, *old)) if name not in known and name not in elsewhere]
    return Tie(same_customer=same_customer, taken=taken, missing=missing)
