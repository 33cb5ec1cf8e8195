"""Replaces the dbt script of Open edX Aspects with dbt-entrypoint.

The interface of tutor-contrib-aspects does not change: `do dbt`, its `--only_changed`, `do init`, and
the path of the script. At that path is our script (templates/aspects/apps/aspects/scripts), which
runs dbt-entrypoint with `exec`. The jobs get an image that contains the binary and the project, and
a volume for the state.
"""

import importlib.resources

from tutor import hooks
from tutor.exceptions import TutorError

SCRIPT = "bash /app/aspects/scripts/dbt.sh"
TEMPLATES = str(importlib.resources.files("tutordbtentrypoint") / "templates")
IMAGE = "aspects-dbt"

# Our filters run after those of Aspects, which use priorities up to 97.
LAST = 1000

hooks.Filters.CONFIG_DEFAULTS.add_items(
    [
        # The image that contains the binary, and the image that the jobs run.
        ("DOCKER_IMAGE_DBT_ENTRYPOINT", "dbt-entrypoint-bin"),
        ("DOCKER_IMAGE_ASPECTS_DBT", "aspects-dbt:{{ ASPECTS_VERSION }}"),
        # More variables for the job, for example {"DBT_ENTRYPOINT_MAX_REBUILD": "10"}.
        ("DBT_ENTRYPOINT_VARIABLES", {}),
    ]
)

# The first template root that contains a file wins, so Tutor renders our dbt.sh.
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

# For each patch of tutor-contrib-aspects: the lines to replace, and their replacement. The volume has
# a new name, because earlier versions of Aspects left outdated state in data/aspects-dbt and in the
# claim aspects-dbt.
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
        # A retry does not help with these codes. `plan` exits with 10 if there is something to build.
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
        # An empty directory mounted at /app would hide the project in the image.
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
    """Return the patch with our lines. Raise TutorError if it lacks the lines to replace."""
    if "aspects-job" not in text:
        return text
    for lines, ours in EDITS.get(name, {}).items():
        start, found, end = text.partition(lines)
        # Other jobs follow in the same patch: replace the first occurrence only.
        if not found:
            raise TutorError(
                f"dbt-entrypoint: the patch {name} of tutor-contrib-aspects no longer has the"
                f" lines\n{lines}Install versions of the two plugins that work together, or run:"
                " tutor plugins disable dbt-entrypoint"
            )
        text = start + ours + end
    return text


########################################
# THE COMMANDS
########################################

# With `exec`, the shell that Tutor starts becomes dbt-entrypoint. It is then the container's PID 1 and
# gets the signal when the container is stopped.


@hooks.Actions.PLUGINS_LOADED.add(priority=hooks.priorities.HIGH)
def _replace_dbt() -> None:
    # High priority: Tutor wraps the callbacks in the same action, and we have to come first.
    for command in hooks.Filters.CLI_DO_COMMANDS.iterate():
        if command.name == "dbt":
            command.callback = _dbt


def _dbt(only_changed: object, command: str) -> list[tuple[str, str]]:
    return [("aspects", f"exec {SCRIPT} {only_changed} {command}")]


# In the context of Aspects, or `do init --limit aspects` would skip our filter.
with hooks.Contexts.app("aspects").enter():

    @hooks.Filters.CLI_DO_INIT_TASKS.add(priority=LAST)
    def _replace_init(tasks: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(service, task.replace(SCRIPT, f"exec {SCRIPT}")) for service, task in tasks]
