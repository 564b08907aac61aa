"""tusd's pre-finish hook with the request that docs/hook.md shows, on uploads that tusd would have stored.

usage: pre_finish.py PLATTER_HOOK PRE_FINISH HOOK_DOCUMENT FOLDER
"""

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HOOK, PRE_FINISH, DOCUMENT, FOLDER = (os.path.abspath(argument) for argument in sys.argv[1:5])
PATH = pathlib.Path(FOLDER, "5d892c228ec8d0451dfec588697e8930")
INFO = PATH.with_suffix(".info")
POLICY = PATH.with_name("policy")

failures = []


def expect(what, condition, detail=""):
    if not condition:
        failures.append(f"{what}: {detail}")


def documented(title):
    """The JSON block below a line of the document that ends with `title` and a colon."""
    text = pathlib.Path(DOCUMENT).read_text(encoding="utf-8")
    return json.loads(re.search(rf"{title}:\n\n```json\n(.*?)```", text, re.S)[1])


def pre_finish(request, **environment):
    """Exit code and hook response."""
    done = subprocess.run(
        [PRE_FINISH],
        input=json.dumps(request).encode(),
        capture_output=True,
        env=os.environ | {"PLATTER_HOOK": HOOK} | environment,
        check=False,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def image(*arguments):
    PATH.unlink(missing_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", *arguments, str(PATH), "1M"], check=True)
    INFO.write_text("{}")


def stays():
    return PATH.exists() and INFO.exists()


def gone():
    return not PATH.exists() and not INFO.exists()


def changed(request, **changes):
    request = copy.deepcopy(request)
    request["Event"]["Upload"].update(changes)
    return request


def check_verdicts(request):
    image()
    code, response = pre_finish(request)
    expect("accepted", code == 0 and response == documented("Accepted"), (code, response))
    expect("accepted", stays(), "the upload is gone")

    image("-b", "/etc/passwd", "-F", "raw")
    code, response = pre_finish(request)
    expect("refused", code == 0 and response == documented("Refused"), (code, response))
    expect("refused", gone(), "the upload stays")

    image()
    code, response = pre_finish(changed(request, MetaData={"disk_format": "vmdk", "container_format": "bare"}))
    expect("another format", code == 0 and response["HTTPResponse"]["StatusCode"] == 415, (code, response))
    expect("another format", gone(), "the upload stays")

    POLICY.write_text("expect_disk = vmdk\n")
    image()
    code, response = pre_finish(changed(request, MetaData={"disk_format": "qcow2"}), PLATTER_HOOK_POLICY=str(POLICY))
    expect("another word", code == 0 and response["HTTPResponse"]["StatusCode"] == 415, (code, response))
    expect("another word", gone(), "the upload stays")


def check_requests(request):
    """Uploads that no verdict is asked for, because of what the request says."""
    for what, changes in (
        ("an option as a format", {"MetaData": {"disk_format": "--allow-references"}}),
        ("a part", {"IsPartial": True}),
    ):
        image()
        code, response = pre_finish(changed(request, **changes))
        expect(what, code == 0 and response["HTTPResponse"]["StatusCode"] == 415, (code, response))
        expect(what, gone(), "the upload stays")
    image()
    expect("S3", pre_finish(changed(request, Storage={"Type": "s3store", "Bucket": "b", "Key": "k"})) == (1, None))
    expect("post-finish", pre_finish(request | {"Type": "post-finish"}) == (1, None))
    expect("other hooks", stays(), "the upload is gone")


def check_failures(request):
    """A hook that does not work lets nothing through."""
    for what, environment in (
        ("no program", {"PLATTER_HOOK": "/nowhere"}),
        ("no JSON", {"PLATTER_HOOK": "/bin/echo"}),
        ("no such policy", {"PLATTER_HOOK_POLICY": "/nowhere"}),
    ):
        image()
        code, response = pre_finish(request, **environment)
        status = response["HTTPResponse"].get("StatusCode", 200) if response else 500
        expect(what, (code, status) in ((1, 500), (0, 415)), (code, response))
        expect(what, gone(), "the upload stays")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    request = documented("Request")
    request["Event"]["Upload"]["Storage"] |= {"Path": str(PATH), "InfoPath": str(INFO)}
    check_verdicts(request)
    check_requests(request)
    check_failures(request)
    print("\n".join(failures) or "all as expected")
    shutil.rmtree(FOLDER)
    return 1 if failures else 0


sys.exit(main())
