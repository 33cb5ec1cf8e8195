//! Environment variables that say where and when a process runs, and nothing that a project means
//! when it computes the name of a variable. They count only where code names them literally.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Whole names.
const NAMES: &str = concat!(
    // POSIX, "Shell Variables"; Bash, "Bash Variables"; tmux(1), screen(1), sudo(8), ssh(1).
    "_ PWD OLDPWD SHLVL PPID LINENO RANDOM SRANDOM SECONDS EPOCHSECONDS EPOCHREALTIME BASHPID ",
    "HISTCMD TERM COLORTERM COLUMNS LINES LS_COLORS PS1 PS2 PS4 TMUX TMUX_PANE STY WINDOW ",
    "WINDOWID DISPLAY TMPDIR TEMP TMP SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_AUTH_SOCK ",
    "SSH_AGENT_PID SUDO_COMMAND SUDO_USER SUDO_UID SUDO_GID HOSTNAME HOST HOSTTYPE COMPUTERNAME ",
    "DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR XDG_SESSION_ID GPG_AGENT_INFO ",
    // systemd.exec(5), "Environment Variables in Spawned Processes"; sd_listen_fds(3).
    "INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID NOTIFY_SOCKET LISTEN_PID LISTEN_FDS ",
    "LISTEN_FDNAMES LISTEN_PIDFDID WATCHDOG_PID WATCHDOG_USEC MAINPID MANAGERPID ",
    "MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE CREDENTIALS_DIRECTORY RUNTIME_DIRECTORY ",
    // Kubernetes, "Expose Pod Information to Containers Through Environment Variables", and "Job",
    // "Completion mode"; the names of its examples, and those of most charts.
    "POD_NAME POD_IP POD_IPS POD_UID NODE_NAME NODE_IP HOST_IP HOST_IPS ",
    "JOB_COMPLETION_INDEX CONTAINER_ID CONTAINER_NAME MY_NODE_NAME MY_POD_NAME ",
    "MY_POD_IP MY_POD_UID MY_HOST_IP MY_POD_SERVICE_ACCOUNT ",
    // Jenkins, "Using environment variables", and its plugins Git, Pipeline and Branch API.
    "BUILD_ID BUILD_NUMBER BUILD_TAG BUILD_URL BUILD_DISPLAY_NAME BUILD_TIMESTAMP BUILD_CAUSE ",
    "BUILD_USER BUILD_USER_ID BUILD_USER_EMAIL JOB_NAME JOB_BASE_NAME JOB_URL JOB_DISPLAY_URL ",
    "RUN_DISPLAY_URL RUN_ARTIFACTS_DISPLAY_URL RUN_CHANGES_DISPLAY_URL RUN_TESTS_DISPLAY_URL ",
    "EXECUTOR_NUMBER NODE_LABELS WORKSPACE WORKSPACE_TMP STAGE_NAME TAG_NAME TAG_TIMESTAMP ",
    "TAG_UNIXTIME TAG_DATE GIT_COMMIT GIT_PREVIOUS_COMMIT GIT_PREVIOUS_SUCCESSFUL_COMMIT ",
    "SVN_REVISION CHANGE_ID CHANGE_URL CHANGE_TITLE CHANGE_AUTHOR CHANGE_AUTHOR_DISPLAY_NAME ",
    "CHANGE_AUTHOR_EMAIL CHANGE_BRANCH CHANGE_FORK CHANGE_TARGET ",
    // GitLab, "Predefined CI/CD variables reference", those without `CI_` and `GITLAB_`.
    "TRIGGER_PAYLOAD CHAT_CHANNEL CHAT_INPUT CHAT_USER_ID ",
    // AWS, "Configuration and credential file settings", "Container credential provider" and
    // "IAM roles for service accounts"; credentials of a role are others in every task.
    "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN ",
    "AWS_CREDENTIAL_EXPIRATION AWS_SESSION_EXPIRATION AWS_ROLE_SESSION_NAME AWS_EXECUTION_ENV ",
    "AWS_WEB_IDENTITY_TOKEN_FILE ",
    // AWS Lambda, "Defined runtime environment variables".
    "_HANDLER _X_AMZN_TRACE_ID LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR ",
    // Google Cloud, "Container runtime contract" of Cloud Run; Batch, "Environment variables".
    "K_SERVICE K_REVISION K_CONFIGURATION BATCH_TASK_INDEX BATCH_TASK_COUNT ",
    "BATCH_TASK_RETRY_ATTEMPT BATCH_HOSTS_FILE BATCH_NODE_INDEX BATCH_JOB_UID BATCH_JOB_ID ",
    // Azure, "How to use managed identities for App Service"; Azure Pipelines, "Predefined
    // variables"; Heroku, "Dynos and the Dyno Manager".
    "IDENTITY_ENDPOINT IDENTITY_HEADER MSI_ENDPOINT MSI_SECRET TF_BUILD DYNO ",
    // W3C Trace Context, as OpenTelemetry's "Environment Variables as Context Propagation Carriers"
    // and Sentry's `SENTRY_TRACE` pass it on.
    "TRACEPARENT TRACESTATE BAGGAGE SENTRY_TRACE SENTRY_BAGGAGE SENTRY_RELEASE ",
    // dbt, "Environment variable configs": where it writes, and where it reads its state.
    "DBT_TARGET_PATH DBT_LOG_PATH DBT_STATE DBT_DEFER_STATE DBT_PROJECT_DIR DBT_PROFILES_DIR ",
    "DBT_ARTIFACT_STATE_PATH DBT_DEFER_ARTIFACT_STATE_PATH DBT_THREADS ",
);

/// How names begin.
const PREFIXES: &str = concat!(
    // Our own; dbt, "About invocation_id"; dbt Cloud, "Environment variables", "Special
    // environment variables", what it says of a run.
    "DBT_ENTRYPOINT_ DBT_INVOCATION DBT_LOG_ DBT_CLOUD_RUN_ DBT_CLOUD_JOB_ DBT_CLOUD_GIT_ ",
    "DBT_CLOUD_PR_ DBT_CLOUD_INVOCATION ",
    // Airflow, "BashOperator" and "Templates reference", the exported context; OpenLineage.
    "AIRFLOW_CTX_ AIRFLOW_IS_ _AIRFLOW_ OPENLINEAGE_ COMPOSER_ ",
    // Dagster, "Environment variables", "Dagster Pipes" and "Built-in environment variables" of
    // Dagster+; Prefect, "Settings" (`PREFECT__FLOW_RUN_ID` too); Kestra.
    "DAGSTER_ PREFECT_ KESTRA_ ",
    // Argo Workflows, "Environment Variables" of its executor; Argo CD, "Build Environment";
    // Tekton, "Tasks".
    "ARGO_ ARGOCD_ TEKTON_ ",
    // GitHub Actions, "Variables reference"; its runner's tokens and caches.
    "GITHUB_ RUNNER_ ACTIONS_ ",
    // GitLab, "Predefined CI/CD variables reference"; Woodpecker uses `CI_` too.
    "CI_ GITLAB_ ",
    // Other services for continuous integration, each "predefined" or "built-in variables".
    "JENKINS_ HUDSON_ CIRCLE_ BUILDKITE_ TRAVIS_ DRONE_ BITBUCKET_ TEAMCITY_ bamboo_ SEMAPHORE_ ",
    "APPVEYOR_ BUILD_BUILD BUILD_SOURCE BUILD_QUEUED BUILD_REQUESTED BUILD_REASON ",
    "BUILD_REPOSITORY_ BUILD_DEFINITION BUILD_ARTIFACTSTAGING BUILD_BINARIES BUILD_STAGING ",
    "BUILD_TRIGGERED BUILD_VCS_ SYSTEM_JOB SYSTEM_STAGE SYSTEM_PHASE SYSTEM_PLAN SYSTEM_TASK ",
    "SYSTEM_TIMELINE SYSTEM_ACCESSTOKEN SYSTEM_PULLREQUEST SYSTEM_TEAM SYSTEM_COLLECTION ",
    "SYSTEM_DEFINITION AGENT_JOB AGENT_MACHINE AGENT_TEMP AGENT_WORK AGENT_BUILD AGENT_ID ",
    "AGENT_NAME RELEASE_RELEASE RELEASE_DEPLOYMENT ",
    // AWS: "Task metadata endpoint" of ECS, "Container credential provider", Batch, "Environment
    // variables in build environments" of CodeBuild, X-Ray.
    "ECS_ AWS_CONTAINER_ AWS_BATCH_ AWS_LAMBDA_ AWS_XRAY_ CODEBUILD_ CODEPIPELINE_ ",
    // Google Cloud, "Container runtime contract" of Cloud Run jobs.
    "CLOUD_RUN_ ",
    // Azure Container Apps, "Built-in environment variables", Container Instances, Batch and App
    // Service; Fly.io, Render, Railway, Heroku.
    "CONTAINER_APP_ Fabric_ AZ_BATCH_ WEBSITE_INSTANCE_ WEBSITE_HOST FLY_MACHINE_ FLY_ALLOC_ ",
    "FLY_PRIVATE_ FLY_IMAGE_ RENDER_INSTANCE_ RENDER_GIT_ RAILWAY_DEPLOYMENT_ RAILWAY_REPLICA_ ",
    "RAILWAY_GIT_ RAILWAY_SNAPSHOT_ HEROKU_RELEASE_ HEROKU_SLUG_ HEROKU_DYNO_ ",
    // Kubernetes, "The Kubernetes API server's service"; Nomad, "Runtime environment"; Slurm,
    // "Output Environment Variables" of sbatch; PBS; Rundeck, "Context variables".
    "KUBERNETES_ NOMAD_ SLURM_ SLURMD_ PBS_ RD_JOB_ ",
    // OpenTelemetry, "Environment Variable Specification"; Datadog's tracers.
    "OTEL_ DD_TRACE_ DD_AGENT_ DD_ENTITY_ DD_INTERNAL_ DD_GIT_ DD_VERSION ",
    // Functions that Bash exports.
    "BASH_FUNC_ ",
);

/// Whether a variable says only where and when the process runs.
///
/// `start` is the beginning of the name that the code gives literally: whoever writes
/// `env_var('GITHUB_' ~ x)` means the variables of GitHub.
pub(super) fn is_volatile(name: &OsStr, value: &OsStr, start: &str) -> bool {
    let Some(name) = name.to_str() else { return false };
    let mut prefixes = PREFIXES.split_ascii_whitespace();
    prefixes.any(|prefix| name.starts_with(prefix) && !start.starts_with(prefix))
        || NAMES.split_ascii_whitespace().any(|known| known == name)
        || is_of_a_service(name, value)
}

/// Kubernetes, "Service", "Environment variables", and Docker's links: `X_SERVICE_HOST`,
/// `X_SERVICE_PORT`, `X_SERVICE_PORT_HTTP`, `X_PORT_5432_TCP_ADDR`, and `X_PORT` with a URL for
/// its value. (Any other `X_PORT` may be a setting.)
fn is_of_a_service(name: &str, value: &OsStr) -> bool {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let is_url = || {
        let schemes: [&[u8]; 3] = [b"tcp://", b"udp://", b"sctp://"];
        schemes.iter().any(|scheme| value.as_bytes().starts_with(scheme))
    };
    let is_port = |behind: &str| {
        let protocol = behind.trim_start_matches(|c: char| c.is_ascii_digit());
        protocol.len() < behind.len()
            && protocol
                .strip_prefix('_')
                .is_some_and(|protocol| PROTOCOLS.iter().any(|known| protocol.starts_with(known)))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_url())
        || name
            .match_indices("_PORT_")
            .any(|(at, port)| name.get(at + port.len()..).is_some_and(is_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volatile<'n>(names: &[&'n str]) -> Vec<&'n str> {
        let is = |name: &&&str| is_volatile(OsStr::new(name), OsStr::new("1"), "");
        names.iter().filter(is).copied().collect()
    }

    #[test]
    fn what_orchestrators_set_for_each_run_does_not_count() {
        let names = [
            "AIRFLOW_CTX_DAG_RUN_ID",
            "AIRFLOW_CTX_TRY_NUMBER",
            "DAGSTER_RUN_JOB_NAME",
            "DAGSTER_PIPES_CONTEXT",
            "PREFECT__FLOW_RUN_ID",
            "ARGO_TEMPLATE",
            "ARGO_POD_UID",
            "TEKTON_RESOURCE_NAME",
            "GITHUB_RUN_ID",
            "RUNNER_TEMP",
            "ACTIONS_RUNTIME_TOKEN",
            "CI_JOB_TOKEN",
            "GITLAB_USER_ID",
            "BUILD_NUMBER",
            "JENKINS_URL",
            "ECS_CONTAINER_METADATA_URI_V4",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_SESSION_TOKEN",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "CODEBUILD_BUILD_ID",
            "CLOUD_RUN_EXECUTION",
            "K_REVISION",
            "TRACEPARENT",
            "OTEL_RESOURCE_ATTRIBUTES",
            "HOSTNAME",
            "SHLVL",
            "_",
            "POD_NAME",
            "DB_SERVICE_HOST",
            "DB_SERVICE_PORT",
            "DB_SERVICE_PORT_HTTP",
            "DB_PORT_5432_TCP",
            "MY_PORT_DB_PORT_5432_TCP_ADDR",
            "DNS_PORT_53_UDP_PROTO",
        ];
        assert_eq!(volatile(&names), names);
    }

    #[test]
    fn what_a_project_may_mean_counts() {
        let names =
            ["DB_PORT", "REGION", "DBT_ENV_CUSTOM_ENV_A", "AIRFLOW_VAR_A", "CITY", "A_PORT_X"];
        assert_eq!(volatile(&names), [""; 0]);
        assert_eq!(volatile(&["DBT_CLOUD_ENVIRONMENT_NAME", "AWS_REGION", "HOME"]), [""; 0]);
    }

    #[test]
    fn a_port_with_a_url_is_a_service_of_kubernetes() {
        let is = |value: &str| is_volatile(OsStr::new("DB_PORT"), OsStr::new(value), "");
        assert!(is("tcp://10.0.0.1:5432"));
        assert!(is("udp://10.0.0.1:53"));
        assert!(!is("5432"));
        assert!(!is("http://x"));
    }

    #[test]
    fn whoever_names_a_family_means_it() {
        let is = |start: &str| is_volatile(OsStr::new("GITHUB_REF_NAME"), OsStr::new("a"), start);
        assert!(is("GIT"));
        assert!(!is("GITHUB_"));
        assert!(!is("GITHUB_REF_"));
    }
}
