"""File names of UK Biobank downloads: the only place of a bulk file that holds its participant."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eccl.errors import Reason, Rejected

_BULK = re.compile(
    r"([1-9][0-9]{0,9})_([1-9][0-9]{0,5})_([0-9]{1,2})_([0-9]{1,3})\.[A-Za-z0-9]{1,8}(?:\.[A-Za-z0-9]{1,8})?"
)
_WITHDRAWAL = re.compile(r"w[0-9]+_[0-9]{8}\.csv", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BulkName:
    """Parts of a bulk file's name: participant, field, visit and array index."""

    eid: int
    field: int
    instance: int
    array: int


def parse_bulk_name(file_name: str) -> BulkName:
    """Read participant, field, instance and array index from a bulk file's name.

    Parameters
    ----------
    file_name
        Name without folder, ``<eid>_<field>_<instance>_<array>.<suffix>``, as the UK Biobank download tools write it.

    Raises
    ------
    Rejected
        ``BAD_NAME``: the name has another form. The message does not repeat it, because it may hold an id.
    """
    match = _BULK.fullmatch(file_name)
    if match is None:
        raise Rejected(
            Reason.BAD_NAME,
            f"found a file name of {len(file_name)} characters in another form; expected "
            "<eid>_<field>_<instance>_<array>.<suffix>; rename the file as it was downloaded",
        )
    eid, field, instance, array = (int(part) for part in match.groups())
    return BulkName(eid, field, instance, array)


def is_withdrawal_list(name: str) -> bool:
    """Return whether a file name is that of a withdrawal list: ``w<application>_<YYYYMMDD>.csv``."""
    return _WITHDRAWAL.fullmatch(name) is not None
