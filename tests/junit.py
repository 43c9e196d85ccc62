"""What a junit file says: one line "PASSED FAILED", then of each failed test what one must know.

    junit.py STAGE FILE.xml

A block is the stage and the test's id, the message, the places from the test down to where it
failed, and where the logs are. check.sh prints these blocks last: whoever sees only the end of a
long output sees them.
"""

import re
import sys
import xml.etree.ElementTree as et

MESSAGE_LINES = 10
LINE_CHARS = 200
BLOCKS = 20
BAD = ("failure", "error", "skipped")
PLACE = re.compile(r"^(\S+\.py:\d+): ", re.MULTILINE)


def test_id(case):
    """The id pytest takes on its command line."""
    names = case.get("classname", "").split(".")
    classes = []
    while names and not names[-1].startswith("test_"):
        classes.insert(0, names.pop())
    path = "/".join(names) + ".py" if names else ".".join(classes)
    return "::".join([path, *(classes if names else []), case.get("name", "")])


def block(stage, case, found):
    """The lines on one test that failed."""
    message = (found.get("message") or found.text or "").splitlines()
    lines = [f"FAILED {stage}: {test_id(case)}"]
    lines += [f"    {line[:LINE_CHARS]}" for line in message[:MESSAGE_LINES] if line.strip()]
    if len(message) > MESSAGE_LINES:
        lines.append(f"    ... {len(message) - MESSAGE_LINES} more lines")
    places = PLACE.findall(found.text or "")
    if places:
        lines.append(f"    at {' > '.join(places[-5:])}")
    return lines


def main(stage, path):
    """Prints it; a file that is not there or not whole counts as one failure."""
    try:
        cases = list(et.parse(path).getroot().iter("testcase"))
    except (OSError, et.ParseError) as error:
        print(f"0 1\nFAILED {stage}: pytest ended without a report ({error})")
        return
    # A skipped test counts as failed: nothing is skipped here.
    bad = [
        (case, found)
        for case in cases
        for found in [next((x for x in case if x.tag in BAD), None)]
        if found is not None
    ]
    print(len(cases) - len(bad), len(bad))
    for case, found in bad[:BLOCKS]:
        print("\n".join(block(stage, case, found)))
    if len(bad) > BLOCKS:
        print(f"FAILED {stage}: {len(bad) - BLOCKS} more tests")


if __name__ == "__main__":
    main(*sys.argv[1:])
