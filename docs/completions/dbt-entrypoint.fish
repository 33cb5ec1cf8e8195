# fish completion for dbt-entrypoint: its options and verbs; what follows dbt's command is dbt's.

# The first word that is no option of ours: a verb, or dbt's command.
function __dbt_entrypoint_first
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --mode --state-dir --refresh-changed --on-empty --probe --lock-timeout --stop-grace --stop-signal --dbt --max-rebuild --max-rebuild-time --protect --approve --publish --history --history-bytes --termination-log --metrics-file --log --log-level
                set skip 1
            case '-*'
            case '*'
                echo $word
                return
        end
    end
end

function __dbt_entrypoint_at
    test "$(__dbt_entrypoint_first)" = "$argv"
end

complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -f
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l mode -x -a 'auto full off' -d 'build what changed | all | dbt alone (auto)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l full -d 'short for --mode full, --mode off'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l no-state -d 'short for --mode full, --mode off'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l state-dir -x -a '(__fish_complete_directories)' -d 'the mounted volume ($DBT_STATE, else /state)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l only-changed -d 'narrow your own --select to what changed'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l refresh-changed -x -a 'incremental materialized_view distributed_incremental' -d '--full-refresh for these, where changed'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l on-empty -x -a 'full adopt refuse' -d 'what an empty volume means (full)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l allow-ephemeral -d 'accept a state directory that is forgotten'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l always-start -d 'start dbt even when nothing changed'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l probe -x -d 'if this command fails, refuse (78); no shell'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l lock-timeout -x -d 'wait for another holder of the volume (3600)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l stop-grace -x -d 'from our interrupt to our kill (8)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l stop-signal -x -a 'INT TERM' -d 'what dbt gets when we get TERM (INT)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l dbt -r -F -d 'the program to run (dbt)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l max-rebuild -x -d 'refuse (77) to build more nodes than that'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l max-rebuild-time -x -d 'refuse what took longer the last time'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l protect -x -d 'refuse these: names, tag:NAME, path:PREFIX'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l yes -d 'build it all the same; HASH is the plan\'s'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l approve -x -d 'build it all the same; HASH is the plan\'s'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l publish -x -d 'run after each change of the baseline'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l history -x -d 'earlier baselines to keep (10, 256M)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l history-bytes -x -d 'earlier baselines to keep (10, 256M)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l termination-log -r -F -d 'a verdict (/dev/termination-log)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l metrics-file -r -F -d 'the last run for Prometheus'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l log -x -a 'human json' -d 'our lines, on standard error (human)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l log-level -x -a 'error warn info debug off' -d 'how much of them (info)'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l help -d 'say this, or the version, and end'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l version -d 'say this, or the version, and end'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a plan -d 'what a run would build, and why; builds nothing'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -l json -d 'one JSON object on standard output'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a status -d 'what the volume holds, what waits, the last run'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at status' -l json -d 'one JSON object on standard output'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a history -d 'earlier baselines, and one of them again'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at history' -l json -d 'one JSON object on standard output'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a rollback -d 'earlier baselines, and one of them again'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a adopt -d 'the warehouse already holds this: record it only'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at adopt' -l from -r -F -d 'a manifest of dbt\'s; - is standard input'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at adopt' -l force -d 'over a baseline that is there'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a invalidate -d 'build these again next time'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a exec -d 'PID 1 for anything else'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at exec' -l rewrite -x -d 'hand on signal A as B'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at exec' -l group -d 'signals go to the command\'s process group'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at exec' -l stop-grace -x -d 'from the first request to stop to the kill'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a 'run build seed snapshot retry test compile ls docs deps debug' -d dbt
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -f -a 'run build seed' -d dbt
