"""The task that Glance's import flow runs between staging and storing.

A refused image, or one that could not be judged, fails the import: the message of the import's task names the findings,
the image is queued again so that its owner can try another file, and the staged file is gone. An accepted one gets its
virtual size, which Glance then keeps.
"""

import os
import threading

from glance.common import exception
from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_log import log as logging
from taskflow.patterns import linear_flow
from taskflow import task
from taskflow.types import failure

from platter_glance import verdict as verdicts

LOG = logging.getLogger(__name__)
CONF = cfg.CONF
# Under eventlet, which glance-api runs with when uwsgi does not serve it, this is the one that lets others run meanwhile.
subprocess = processutils.subprocess

GROUP = "platter_hook"
PREFIX = "platter_"
# Bytes of JSON that a hook may answer with.
MAX_ANSWER = 1 << 20
OPTIONS = [
    cfg.StrOpt("hook", default="platter-hook", help="The platter-hook program: a path, or a name on the service's PATH."),
    cfg.StrOpt("policy", help="The policy file given to platter-hook (--policy). Without one its own defaults hold."),
    cfg.IntOpt("timeout", default=300, min=1, help="Seconds after which an image counts as one that could not be judged."),
    cfg.ListOpt("options", default=["--require-sandbox"], help="Further options for platter-hook, separated by commas."),
    cfg.BoolOpt(
        "set_properties",
        default=True,
        help="Write the verdict into the image's properties platter_verdict, platter_format and platter_findings.",
    ),
]
CONF.register_opts(OPTIONS, group=GROUP)


def list_opts():
    """For oslo-config-generator."""
    return [(GROUP, OPTIONS)]


def _command(path, disk_format, container_format):
    settings = CONF[GROUP]
    command = [settings.hook, "--depth", "full"]
    if settings.policy:
        command += ["--policy", settings.policy]
    if disk_format:
        command += ["--expect-disk", disk_format]
    if container_format:
        command += ["--expect-container", container_format]
    return command + settings.options + [path]


def _run(command, timeout):
    """Standard output (None when the time was over) and exit code. A hook that never stops writing, as one that an image
    has taken over might, is ended, too."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    late = threading.Event()

    def end_late():
        late.set()
        process.kill()

    timer = threading.Timer(timeout, end_late)
    timer.start()
    try:
        output = process.stdout.read(MAX_ANSWER + 1)
        if len(output) > MAX_ANSWER:
            process.kill()
        process.wait()
    finally:
        timer.cancel()
        process.stdout.close()
    return None if late.is_set() else output, process.returncode


def inspect(path, disk_format, container_format):
    """The verdict on a file. Never raises: what goes wrong is a verdict, too."""
    command = _command(path, disk_format, container_format)
    try:
        output, exit_code = _run(command, CONF[GROUP].timeout)
    except Exception as error:  # pylint: disable=broad-except
        LOG.error("platter-hook did not run: %s", error)
        return verdicts.undecided("the hook did not run")
    if output is None:
        return verdicts.undecided(f"no verdict within {CONF[GROUP].timeout} s")
    verdict = verdicts.parse(output, exit_code)
    log = LOG.info if verdict.accepted else LOG.warning
    log("%r ended with %d: %r", command, exit_code, output[:4000])
    return verdict


def _properties(verdict):
    values = {
        "verdict": verdict.verdict,
        "format": verdict.format,
        "findings": ",".join(verdict.codes),
    }
    return {PREFIX + name: value for name, value in values.items() if value}


def _set_properties(action, verdict):
    """Replaces whatever an earlier import, or the image's owner, wrote there."""
    for name in ("verdict", "format", "findings"):
        action.pop_extra_property(PREFIX + name)
    if verdict and CONF[GROUP].set_properties:
        action.set_image_extra_properties(_properties(verdict))


class InspectImage(task.Task):
    def __init__(self, task_id, task_type, action_wrapper, stores, method):
        super().__init__(name=f"{task_type}-PlatterHook-{task_id}")
        self.action_wrapper = action_wrapper
        self.stores = stores
        self.method = method
        self.path = None
        self.verdict = None

    def execute(self, file_path, **_):
        self.path = file_path.removeprefix("file://")
        with self.action_wrapper as action:
            formats = action.image_disk_format, action.image_container_format
        # Outside of the `with`: the image is not held while the hook runs.
        self.verdict = inspect(self.path, *formats)
        if not self.verdict.accepted:
            LOG.warning("image %s: %s", self.action_wrapper.image_id, self.verdict.message())
            # Of all exceptions this is the one whose text reaches the import's task, where the user reads it.
            raise exception.UploadException(self.verdict.message())
        with self.action_wrapper as action:
            _set_properties(action, self.verdict)
            if self.verdict.virtual_size is not None:
                action.set_image_attribute(virtual_size=self.verdict.virtual_size)

    def revert(self, result, **_):
        """Must not raise: a second failure would hide the message of the first."""
        failed_here = isinstance(result, failure.Failure)
        try:
            with self.action_wrapper as action:
                _set_properties(action, self.verdict if failed_here else None)
                if failed_here and self.method == "glance-direct":
                    self._queue_again(action)
        except Exception:  # pylint: disable=broad-except
            LOG.exception("image %s could not be set back", self.action_wrapper.image_id)
        if failed_here:
            self._remove_staged()

    def _queue_again(self, action):
        """What Glance itself does after a failed download, and leaves undone after a failed plugin."""
        if action.image_status == "importing":
            action.set_image_attribute(status="queued")
        action.remove_importing_stores(self.stores)
        action.add_failed_stores(self.stores)

    def _remove_staged(self):
        try:
            if self.path:
                os.unlink(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            LOG.error("the staged file of image %s stays: %s", self.action_wrapper.image_id, error)


def get_flow(**kwargs):
    """Called by Glance for every import. Of its arguments these are needed: task_id, task_type, action_wrapper, backend
    (the stores the image goes to) and import_req."""
    return linear_flow.Flow("platter-hook").add(
        InspectImage(
            kwargs["task_id"],
            kwargs["task_type"],
            kwargs["action_wrapper"],
            kwargs.get("backend") or [None],
            kwargs["import_req"]["method"]["name"],
        )
    )
