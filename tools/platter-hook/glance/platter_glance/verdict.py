"""What platter-hook says about a file, read with suspicion: whatever is not a clear "accepted" refuses the image."""

import dataclasses
import json
import re
from typing import Optional, Tuple

SCHEMA = "platter-inspection/1"
EXIT_CODES = {0: "accepted", 1: "refused", 2: "undecided"}
# Of a refused image's findings a message names no more than these.
MAX_CODES = 16

_CODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*", re.ASCII)
# Glance keeps sizes as signed 64-bit integers.
_MAX_SIZE = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Verdict:
    """`codes` are safe to show to users: finding codes, never text that came out of the image."""

    verdict: str
    codes: Tuple[str, ...] = ()
    format: Optional[str] = None
    virtual_size: Optional[int] = None
    reason: str = ""

    @property
    def accepted(self) -> bool:
        return self.verdict == "accepted"

    def message(self) -> str:
        """One sentence for the user whose image it is."""
        why = ", ".join(self.codes) or self.reason or "no reason given"
        if self.verdict == "refused":
            return f"platter-hook refused the image: {why}"
        return f"platter-hook could not judge the image: {why}"


def undecided(reason: str) -> Verdict:
    return Verdict("undecided", reason=reason)


def _codes(findings) -> Tuple[str, ...]:
    """The codes that speak against the image; when none does, all there are."""
    named = [
        (finding["code"], finding.get("severity"))
        for finding in findings
        if isinstance(finding, dict)
        and isinstance(finding.get("code"), str)
        and _CODE.fullmatch(finding["code"])
    ]
    grave = [code for code, severity in named if severity in ("unsafe", "corrupt")]
    return tuple(dict.fromkeys(grave or (code for code, _ in named)))[:MAX_CODES]


def parse(output: bytes, exit_code: int) -> Verdict:
    """The verdict in the hook's standard output. The exit code has to say the same."""
    if exit_code not in EXIT_CODES:
        return undecided(f"the hook ended with exit code {exit_code}")
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        return undecided("the hook's answer is no JSON")
    if not isinstance(answer, dict) or answer.get("schema") != SCHEMA:
        return undecided(f"the hook's answer is not of the schema {SCHEMA}")
    if answer.get("verdict") != EXIT_CODES[exit_code]:
        return undecided("the hook's verdict and its exit code disagree")
    findings, size, name = answer.get("findings"), answer.get("virtual_size"), answer.get("format")
    has_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= _MAX_SIZE
    return Verdict(
        verdict=answer["verdict"],
        codes=_codes(findings) if isinstance(findings, list) else (),
        format=name if isinstance(name, str) and _CODE.fullmatch(name) else None,
        virtual_size=size if has_size else None,
        # The text may quote the image: it goes into the service's log, not to the user.
        reason="an error, named in the service's log" if answer.get("error") else "",
    )
