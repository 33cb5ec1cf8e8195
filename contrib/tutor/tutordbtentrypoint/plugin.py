"""dbt-entrypoint in place of the dbt script of Open edX Aspects.

What tutor-contrib-aspects calls stays what it was: `do dbt`, its `--only_changed`, `do init`, and
the path of the script. Behind that path is ours (templates/aspects/apps/aspects/scripts), which
ends as dbt-entrypoint. The jobs get an image with the binary and the project, and a volume.
"""

import importlib.resources

from tutor import hooks
from tutor.exceptions import TutorError

SCRIPT = "bash /app/aspects/scripts/dbt.sh"
TEMPLATES = str(importlib.resources.files("tutordbtentrypoint") / "templates")
IMAGE = "aspects-dbt"

# What changes others' additions comes behind them; Aspects adds its tasks at up to 97.
LAST = 1000

hooks.Filters.CONFIG_DEFAULTS.add_items(
    [
        # The image that has the binary, and the one that the jobs run, made from it.
        ("DOCKER_IMAGE_DBT_ENTRYPOINT", "dbt-entrypoint-bin"),
        ("DOCKER_IMAGE_ASPECTS_DBT", "aspects-dbt:{{ ASPECTS_VERSION }}"),
        # More variables for the job, for instance {"DBT_ENTRYPOINT_MAX_REBUILD": "10"}.
        ("DBT_ENTRYPOINT_VARIABLES", {}),
    ]
)

# The first root that has a template wins, so that our dbt.sh is rendered in place of theirs.
hooks.Filters.ENV_TEMPLATE_ROOTS.add_item(TEMPLATES, priority=hooks.priorities.HIGH)
hooks.Filters.ENV_TEMPLATE_TARGETS.add_item(("dbt-entrypoint/build", "plugins"))
hooks.Filters.IMAGES_BUILD.add_item(
    (
        IMAGE,
        ("plugins", "dbt-entrypoint", "build", IMAGE),
        "{{ DOCKER_IMAGE_ASPECTS_DBT }}",
        (),
    )
)
hooks.Filters.IMAGES_PUSH.add_item((IMAGE, "{{ DOCKER_IMAGE_ASPECTS_DBT }}"))

########################################
# THE JOBS
########################################

PUBLISH = "python3 /app/aspects/scripts/stored_manifest.py store"

# Patches of tutor-contrib-aspects, and in each what becomes of which lines. The name of the
# volume is a new one: earlier versions of Aspects left a stale state in data/aspects-dbt and in
# the claim aspects-dbt.
EDITS = {
    "local-docker-compose-jobs-services": {
        "  image: {{ DOCKER_IMAGE_ASPECTS }}\n": "  image: {{ DOCKER_IMAGE_ASPECTS_DBT }}\n",
        "    DBT_STATE: {{ DBT_STATE_DIR }}\n": f"""\
    DBT_ENTRYPOINT_PUBLISH: "{PUBLISH}"
    {{%- for name, value in DBT_ENTRYPOINT_VARIABLES.items() %}}
    {{{{ name }}}}: {{{{ value|string|tojson }}}}
    {{%- endfor %}}
""",
        "    - ../../env/plugins/aspects/apps/aspects:/app/aspects\n": """\
    - ../../env/plugins/aspects/apps/aspects:/app/aspects
    - ../../data/dbt-entrypoint:/state
""",
    },
    "k8s-jobs": {
        # Nothing gets better by trying these again; 10 is how `plan` says that there is work.
        "  name: aspects-job\n"
        "  labels:\n"
        "    app.kubernetes.io/component: job\n"
        "spec:\n": """\
  name: aspects-job
  labels:
    app.kubernetes.io/component: job
spec:
  podFailurePolicy:
    rules:
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
            status: "True"
      - action: FailJob
        onExitCodes:
          operator: In
          values: [10, 64, 73, 77, 78, 126, 127]
""",
        "        image: {{ DOCKER_IMAGE_ASPECTS }}\n": (
            "        image: {{ DOCKER_IMAGE_ASPECTS_DBT }}\n"
        ),
        "          - name: DBT_STATE\n            value: {{ DBT_STATE_DIR }}\n": f"""\
          - name: DBT_ENTRYPOINT_PUBLISH
            value: "{PUBLISH}"
          {{%- for name, value in DBT_ENTRYPOINT_VARIABLES.items() %}}
          - name: {{{{ name }}}}
            value: {{{{ value|string|tojson }}}}
          {{%- endfor %}}
""",
        # An empty directory over /app would hide the project that is in the image.
        "          - mountPath: /app\n            name: app\n": """\
          - mountPath: /state
            name: dbt-entrypoint
""",
        "        - name: app\n          emptyDir: {}\n": """\
        - name: dbt-entrypoint
          persistentVolumeClaim:
            claimName: dbt-entrypoint
""",
    },
}

CLAIM = """\
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: dbt-entrypoint
  labels:
    app.kubernetes.io/component: volume
    app.kubernetes.io/name: dbt-entrypoint
spec:
  accessModes:
    - ReadWriteOnce
  resources:
    requests:
      storage: 1Gi
"""
hooks.Filters.ENV_PATCHES.add_item(("k8s-volumes", CLAIM))


@hooks.Filters.ENV_PATCHES.add(priority=LAST)
def _edit_jobs(patches: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, _edited(name, text)) for name, text in patches]


def _edited(name: str, text: str) -> str:
    """The patch with our lines; refused where it is no longer the one that we know."""
    if "aspects-job" not in text:
        return text
    for lines, ours in EDITS.get(name, {}).items():
        start, found, end = text.partition(lines)
        # The patch has other jobs behind ours: the first place counts.
        if not found:
            raise TutorError(
                f"dbt-entrypoint: the patch {name} of tutor-contrib-aspects no longer has the"
                f" lines\n{lines}Use a version of the two plugins that fit together, or:"
                " tutor plugins disable dbt-entrypoint"
            )
        text = start + ours + end
    return text


########################################
# THE COMMANDS
########################################

# `exec`, so that the shell that Tutor starts becomes dbt-entrypoint: the container's first
# process, which is told when the container is to stop.


@hooks.Actions.PLUGINS_LOADED.add(priority=hooks.priorities.HIGH)
def _replace_dbt() -> None:
    # Before Tutor wraps the callbacks, which it does at this action, too.
    for command in hooks.Filters.CLI_DO_COMMANDS.iterate():
        if command.name == "dbt":
            command.callback = _dbt


def _dbt(only_changed: object, command: str) -> list[tuple[str, str]]:
    return [("aspects", f"exec {SCRIPT} {only_changed} {command}")]


# In the context of theirs, or `do init --limit aspects` would pass ours by.
with hooks.Contexts.app("aspects").enter():

    @hooks.Filters.CLI_DO_INIT_TASKS.add(priority=LAST)
    def _replace_init(tasks: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(service, task.replace(SCRIPT, f"exec {SCRIPT}")) for service, task in tasks]
